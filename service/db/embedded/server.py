"""Starting and stopping one embedded PostgreSQL."""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from service.db.embedded.account import Account
from service.db.embedded.binaries import usable_binaries
from service.db.embedded.data_dir import DataDir
from service.db.embedded.errors import EmbeddedPostgresError
from service.db.embedded.postmaster import POLL_SECONDS, PidFile, guard, shut_down, stop_orphan

DATABASE: Final = "fermata"
ROLE: Final = "fermata"

_START_POLLS: Final = 3000  # one minute: after a crash the log is replayed first
_START_ATTEMPTS: Final = 40
_RETRY_SECONDS: Final = 0.5

# What a start says that failed for a reason which passes by itself: children of a killed server
# that have not noticed yet, and a port that somebody took between our choosing it and the start.
_PASSING: Final = (
    "shared memory block",
    "Address already in use",
    "could not bind",
    "lock file",
)


class EmbeddedPostgres:
    """One PostgreSQL cluster in one directory, started and stopped by this process.

    ``settings`` are PostgreSQL's own (``{"fsync": "off"}``), in force from the next start on.
    ``fsync`` is on unless they say otherwise. Not thread-safe; ``start`` and ``stop`` block, so
    call them through ``asyncio.to_thread`` where a loop runs.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self._account = Account.of_server()
        self._dir = DataDir(data_dir, self._account)
        self._settings = dict(settings or {})
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The URL that ``start`` returned; empty while the server is not running."""
        return self._url

    @property
    def pid(self) -> int | None:
        """The process id of the server's first process, if it was started."""
        return self._server.pid if self._server else None

    def start(self) -> str:
        """Start the server and return its URL, once it accepts connections.

        Creates cluster and database as needed. The URL is
        ``postgresql://user:password@127.0.0.1:port/fermata``; its port changes from start to start,
        its password does not. What was committed before an earlier stop, crash or kill is there.
        Does nothing when already started.

        Raises ``EmbeddedPostgresError`` when the directory is in use, belongs to somebody else,
        holds other things or cannot be reached by the server's account, and when the server does
        not come up.
        """
        if self._server is not None:
            return self._url
        self._dir.take()
        try:
            binaries = usable_binaries(self._account)
            stop_orphan(self._dir.cluster)
            password = self._create_cluster(binaries)
            port = self._launch(binaries)
            self._url = f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"
            self._create_database(binaries, port, password)
        except BaseException:
            self.stop()
            raise
        return self._url

    def stop(self) -> None:
        """Shut the server down, ending open sessions, and let go of the directory.

        Does nothing when not started.
        """
        if self._server is not None:
            shut_down(self._server)
        if self._guard is not None:
            self._guard.communicate()
        self._server = self._guard = None
        self._url = ""
        self._dir.leave()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _create_cluster(self, binaries: Path) -> str:
        """Make the cluster unless it was made before; return the password of its only role."""
        if self._dir.cluster.exists():
            return self._dir.password()
        password = secrets.token_hex(24)
        self._dir.keep_password(password)
        # Made aside and moved in place when complete: what a kill half-way leaves is no cluster.
        unfinished = self._dir.path / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._account.give(unfinished)
        handed_over = self._dir.path / "password.initdb"
        self._dir.write_private(handed_over, password)
        self._account.give(handed_over)
        try:
            self._initdb(binaries, unfinished, handed_over)
        finally:
            handed_over.unlink()
        unfinished.rename(self._dir.cluster)
        return password

    def _initdb(self, binaries: Path, target: Path, password_file: Path) -> None:
        command = [
            str(binaries / "initdb"),
            f"--pgdata={target}",
            f"--username={ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order and the same messages on every machine, whatever its locales are.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-locale",
            "--no-instructions",
        ]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        done = self._account.run(command)
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb could not create a PostgreSQL cluster in {target}: {_text(done.stderr)}"
            )

    def _launch(self, binaries: Path) -> int:
        """Start the server and its guard; return the port once connections are accepted."""
        said = ""
        for _ in range(_START_ATTEMPTS):
            port = _free_port()
            self._server = self._spawn(binaries, port)
            self._guard = guard(self._dir.cluster, self._server.pid)
            if self._comes_up(self._server):
                return port
            self._guard.communicate()
            self._server = self._guard = None
            said = self._dir.log.read_text(errors="replace").strip()
            if not any(phrase in said for phrase in _PASSING):
                break
            time.sleep(_RETRY_SECONDS)
        raise EmbeddedPostgresError(
            f"PostgreSQL did not start. The end of {self._dir.log} says: {said[-2000:]}"
        )

    def _spawn(self, binaries: Path, port: int) -> subprocess.Popen[bytes]:
        settings = {
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(port),
        }
        command = [str(binaries / "postgres"), "-D", str(self._dir.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._dir.new_log() as log:
            return self._account.spawn(command, log)

    def _comes_up(self, server: subprocess.Popen[bytes]) -> bool:
        """Whether the server comes to accept connections, rather than to end or to hang."""
        for _ in range(_START_POLLS):
            if server.poll() is not None:
                return False
            if PidFile.read(self._dir.cluster) == PidFile(server.pid, "ready"):
                return True
            time.sleep(POLL_SECONDS)
        shut_down(server)
        return False

    def _create_database(self, binaries: Path, port: int, password: str) -> None:
        command = [
            *(str(binaries / "psql"), "--no-psqlrc", "--no-password"),
            *("--quiet", "--tuples-only", "--no-align"),
            *("--host=127.0.0.1", f"--port={port}", f"--username={ROLE}", "--dbname=postgres"),
        ]

        def answer(statement: str) -> str:
            asked = [*command, f"--command={statement}"]
            done = self._account.run(asked, {"PGPASSWORD": password})
            if done.returncode != 0:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self._dir.path} started, but refuses to work:"
                    f" {_text(done.stderr)}"
                )
            return _text(done.stdout)

        if DATABASE not in answer("SELECT datname FROM pg_database").splitlines():
            answer(f"CREATE DATABASE {DATABASE}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()
