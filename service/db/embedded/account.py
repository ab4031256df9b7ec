"""Who the server runs as: whoever starts it, but for root, as whom PostgreSQL refuses to run."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from service.db.embedded.errors import EmbeddedPostgresError

UNPRIVILEGED: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """The user that PostgreSQL's programs run as; ``switched`` when that is not our own user."""

    uid: int
    gid: int
    switched: bool

    @classmethod
    def of_server(cls) -> Self:
        """Our own account, or for root the account ``nobody``.

        Raises ``EmbeddedPostgresError`` where we are root and the machine has no such account.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), switched=False)
        try:
            entry = pwd.getpwnam(UNPRIVILEGED)
        except KeyError:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and this machine has no account"
                f" '{UNPRIVILEGED}' to run it as. Run Fermata as an ordinary user, or set"
                " DATABASE_URL to a PostgreSQL server of your own."
            ) from None
        return cls(entry.pw_uid, entry.pw_gid, switched=True)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end as this account, and return its status and what it said."""
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd="/",
            env={**_environment(), **(environment or {})},
            **self._switch(),
        )

    def spawn(self, command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program as this account, out of reach of the terminal's ^C."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            **self._switch(),
        )

    def give(self, path: Path) -> None:
        """Make this account the owner of a file or folder of ours."""
        if self.switched:
            os.chown(path, self.uid, self.gid)

    def _switch(self) -> dict[str, Any]:
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def name_of(uid: int) -> str:
    """A user's name in quotes, or their number where they have none."""
    try:
        return f"'{pwd.getpwuid(uid).pw_name}'"
    except KeyError:
        return f"user number {uid}"


def _environment() -> dict[str, str]:
    """An environment without the caller's PG* variables and locale."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
