"""The data directory: the cluster, its password, its log, and the lock of whoever owns it."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from service.db.embedded.account import UNPRIVILEGED, Account, name_of
from service.db.embedded.errors import EmbeddedPostgresError


def default_data_dir() -> Path:
    """Where the data lie unless the operator says otherwise.

    ``/var/lib/fermata`` for root, whose home folder the server's own account cannot enter;
    otherwise ``$XDG_DATA_HOME/fermata``, which is ``~/.local/share/fermata`` unless set. Nothing is
    created.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/fermata")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "fermata"


class DataDir:
    """One data directory, of which one process at a time is the owner.

    The directory is ours and only the cluster in it is the server's: its account can then put no
    link in the way of the files that root writes here.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self.path = Path.cwd() / path
        self.cluster = self.path / "cluster"
        self.log = self.path / "server.log"
        self._password = self.path / "password"
        self._account = account
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Create the directory where it is missing, and become its owner.

        Raises ``EmbeddedPostgresError`` when somebody else owns it, it holds other things, or the
        server's account cannot reach it. Folders above it stay as they are.
        """
        self._create_folders(self.path.parent)
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        self._check_owner()
        self._check_content()
        self.path.chmod(0o711 if self._account.switched else 0o700)
        self._check_reach()
        self._take_lock()

    def leave(self) -> None:
        """Be its owner no longer. Does nothing when we are not."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def password(self) -> str:
        """The password that was kept here."""
        try:
            return self._password.read_text()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{self._password} is missing, and nobody can log in without it. Put it back, or"
                " choose a new data directory."
            ) from None

    def keep_password(self, password: str) -> None:
        """Keep a password here, readable by us alone."""
        self.write_private(self._password, password)

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that nobody else can read, not even for a moment."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    def new_log(self) -> IO[bytes]:
        """Open an empty log, keeping the one of the start before."""
        if self.log.exists():
            self.log.replace(self.path / "server.log.1")
        return self.log.open("ab")

    def _check_owner(self) -> None:
        owner, we = self.path.stat().st_uid, os.geteuid()
        if owner != we:
            raise EmbeddedPostgresError(
                f"{self.path} belongs to {name_of(owner)}, and this process runs as {name_of(we)}."
                f" Run Fermata as {name_of(owner)}, or choose another data directory."
            )

    def _check_content(self) -> None:
        if any(self.path.iterdir()) and not (self.path / "lock").exists():
            raise EmbeddedPostgresError(
                f"{self.path} is not empty and was not made by Fermata. Choose an empty or a new"
                " data directory."
            )

    def _check_reach(self) -> None:
        enter = ["/bin/sh", "-c", 'cd "$1"', "sh", str(self.path)]
        if self._account.run(enter).returncode != 0:
            raise EmbeddedPostgresError(
                f"The account '{UNPRIVILEGED}', which PostgreSQL runs as because it refuses to run"
                f" as root, cannot reach {self.path}: a folder above it is private. Choose a data"
                f" directory that others can enter, such as {default_data_dir()}, or run Fermata as"
                " an ordinary user."
            )

    def _take_lock(self) -> None:
        lock = (self.path / "lock").open("a+b")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().decode() or "unknown"
            lock.close()
            raise EmbeddedPostgresError(
                f"{self.path} is in use by another Fermata process (process {holder}). Stop that"
                " one, choose another data directory, or set DATABASE_URL to let both use one"
                " server."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        self._lock = lock

    def _create_folders(self, folder: Path) -> None:
        if folder.exists():
            return
        self._create_folders(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            if self._account.switched:
                folder.chmod(0o755)  # whatever the umask says: the server's account has to pass
