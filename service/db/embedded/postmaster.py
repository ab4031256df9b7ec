"""The server's process: what its pid file tells, whether it lives, how it is ended."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.db.embedded.errors import EmbeddedPostgresError

POLL_SECONDS: Final = 0.02
_STOP_SECONDS: Final = 60
_STATE_LINE: Final = 7  # counted from 0, by PostgreSQL's pidfile.h

# Waits for the pipe from the owner to close, then asks the server to shut down, if it is still the
# one that was started.
_GUARD: Final = """
read -r _
read -r pid < "$1/postmaster.pid" && [ "$pid" = "$2" ] && kill -INT "$pid"
"""


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a server writes about itself into its cluster."""

    pid: int
    state: str

    @classmethod
    def read(cls, cluster: Path) -> "PidFile | None":
        """The pid file of this cluster; none where it is missing or not written out yet."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].strip().isdecimal():
            return None
        return cls(int(lines[0]), lines[_STATE_LINE].strip() if len(lines) > _STATE_LINE else "")


def guard(cluster: Path, server: int) -> subprocess.Popen[bytes]:
    """Start a process that shuts the server down when ours ends, however it ends.

    It waits on a pipe from us, which the system closes; ``communicate()`` lets it go.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(cluster), str(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def shut_down(server: subprocess.Popen[bytes]) -> None:
    """Ask a server of ours to end its sessions and go; then to go at once; then end it."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_SECONDS)
            return


def stop_orphan(cluster: Path) -> None:
    """End a server that outlived its owner. Only for the owner of the data directory to call.

    A pid file whose number now belongs to something else is removed, for PostgreSQL could take
    that process for a server.
    """
    left = PidFile.read(cluster)
    if left is None or not alive(left.pid):
        return
    if not _serves(left.pid, cluster):
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left.pid, number)
        for _ in range(int(_STOP_SECONDS / POLL_SECONDS)):
            if not alive(left.pid):
                return
            time.sleep(POLL_SECONDS)
    raise EmbeddedPostgresError(
        f"A PostgreSQL server (process {left.pid}) still runs in {cluster} and does not stop. End"
        " it, then start again."
    )


def alive(pid: int) -> bool:
    """Whether that process runs; one that has ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _serves(pid: int, cluster: Path) -> bool:
    """Whether that process is this cluster's server, whose working directory is the cluster.

    Where the system does not tell (macOS has no ``/proc``) it is taken for the server, the answer
    that loses no data.
    """
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster.resolve()
    except OSError as error:
        return error.errno != errno.EACCES
