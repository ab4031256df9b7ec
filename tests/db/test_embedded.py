"""The embedded PostgreSQL keeps its data, recovers, keeps to itself and says what is wrong."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from service.db.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    binaries,
    default_data_dir,
)
from service.db.embedded.postmaster import alive

QUICK = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}
ROOT = os.geteuid() == 0


@pytest.fixture
def data_dir(scratch_dir: Path) -> Path:
    """A data directory that does not exist yet."""
    return scratch_dir / "new" / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, not started yet; stopped when the test is over."""
    postgres = EmbeddedPostgres(data_dir, QUICK)
    yield postgres
    postgres.stop()


def query(url: str, statement: str) -> object:
    """Run one statement and return its one value."""

    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster_pid(data_dir: Path) -> int:
    """The process id that the server's own pid file tells."""
    return int((data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def gone(pid: int) -> bool:
    """Whether that process ends within a minute."""
    for _ in range(600):
        if not alive(pid):
            return True
        subprocess.run(["sleep", "0.1"], check=True)
    return False


def test_starts_in_a_new_folder(server: EmbeddedPostgres) -> None:
    """A start in a folder that does not exist gives PostgreSQL 18 with the database 'fermata'."""
    url = server.start()

    assert url.startswith("postgresql://fermata:")
    assert url.endswith("/fermata")
    assert "@127.0.0.1:" in url
    assert str(query(url, "SHOW server_version")).startswith("18.")
    assert query(url, "SELECT current_database()") == "fermata"


def test_is_the_same_on_every_machine(server: EmbeddedPostgres) -> None:
    """Order, encoding and time zone do not come from the machine."""
    url = server.start()

    assert query(url, "SHOW server_encoding") == "UTF8"
    assert query(url, "SHOW timezone") == "UTC"
    assert query(url, "SELECT datlocale FROM pg_database WHERE datname = 'fermata'") == "C.UTF-8"


def test_data_survive_a_restart(server: EmbeddedPostgres, data_dir: Path) -> None:
    """What was written before a stop is there after the next start, under the same password."""
    first = server.start()
    query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()

    with EmbeddedPostgres(data_dir, QUICK) as again:
        assert query(again.url, "SELECT answer FROM kept") == 42
        assert again.url.split("@")[0] == first.split("@")[0]


def test_a_second_start_changes_nothing(server: EmbeddedPostgres) -> None:
    """Starting a started server returns the URL it has."""
    assert server.start() == server.start() == server.url


def test_stop_ends_the_process(server: EmbeddedPostgres) -> None:
    """After a stop there is no process and no URL; a second stop does nothing."""
    server.start()
    pid = server.pid
    assert pid is not None

    server.stop()
    server.stop()

    assert gone(pid)
    assert server.pid is None
    assert server.url == ""


def test_settings_are_in_force_and_may_change(server: EmbeddedPostgres, data_dir: Path) -> None:
    """Settings apply from the next start on, to an old cluster too; fsync is on by default."""
    assert query(server.start(), "SHOW fsync") == "off"
    server.stop()

    with EmbeddedPostgres(data_dir, {"work_mem": "7MB"}) as other:
        assert query(other.url, "SHOW fsync") == "on"
        assert query(other.url, "SHOW work_mem") == "7MB"


def test_recovers_when_the_server_was_killed(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A server that was killed comes up again at the next start with all that was committed."""
    url = server.start()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    server.stop()

    assert query(server.start(), "SELECT answer FROM kept") == 42


def test_the_pid_file_of_a_dead_server_is_no_obstacle(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """A pid file whose number belongs to another program now stops neither it nor the start."""
    server.start()
    pid_file = data_dir / "cluster" / "postmaster.pid"
    left_over = pid_file.read_text().splitlines()
    server.stop()
    stranger = subprocess.Popen(["sleep", "600"])
    pid_file.write_text("\n".join([str(stranger.pid), *left_over[1:]]) + "\n")

    try:
        assert query(server.start(), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def owner(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that starts a server there and waits; its first line is the URL."""
    program = (
        "import sys, pathlib\n"
        "from service.db.embedded import EmbeddedPostgres\n"
        f"server = EmbeddedPostgres(pathlib.Path({str(data_dir)!r}), {QUICK!r})\n"
        "print(server.start(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_server_goes_when_its_owner_is_killed(data_dir: Path) -> None:
    """A killed owner leaves no server behind, and the next owner finds the data."""
    with owner(data_dir) as process:
        assert process.stdout is not None
        query(process.stdout.readline().strip(), "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = postmaster_pid(data_dir)
        process.kill()

    assert gone(pid)
    with EmbeddedPostgres(data_dir, QUICK) as server:
        assert query(server.url, "SELECT answer FROM kept") == 42


def test_a_server_without_owner_is_stopped_and_replaced(data_dir: Path) -> None:
    """Where owner and guard were both killed, the next owner ends the left-over server."""
    with owner(data_dir) as process:
        assert process.stdout is not None
        query(process.stdout.readline().strip(), "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = postmaster_pid(data_dir)
        for guard in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if int(guard) != pid:
                os.kill(int(guard), signal.SIGKILL)
        process.kill()
    assert alive(pid)

    with EmbeddedPostgres(data_dir, QUICK) as server:
        assert server.pid != pid
        assert query(server.url, "SELECT answer FROM kept") == 42
    assert gone(pid)


def test_a_directory_has_one_owner_at_a_time(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A second start in a directory in use says who uses it, and leaves the first one alone."""
    url = server.start()

    with pytest.raises(EmbeddedPostgresError, match=rf"in use by .*process {os.getpid()}\)"):
        EmbeddedPostgres(data_dir, QUICK).start()

    assert query(url, "SELECT 1") == 1


def test_two_directories_run_side_by_side(server: EmbeddedPostgres, scratch_dir: Path) -> None:
    """Two servers in two directories share nothing."""
    url = server.start()
    with EmbeddedPostgres(scratch_dir / "other", QUICK) as other:
        query(url, "CREATE TABLE mine ()")
        assert query(other.url, "SELECT to_regclass('mine')") is None


def test_a_folder_with_other_things_in_it_is_refused(scratch_dir: Path) -> None:
    """A folder that holds something else is left as it is, its permissions included."""
    (scratch_dir / "diary.txt").write_text("Dear diary")

    with pytest.raises(EmbeddedPostgresError, match="not empty and was not made by Fermata"):
        EmbeddedPostgres(scratch_dir, QUICK).start()

    assert [path.name for path in scratch_dir.iterdir()] == ["diary.txt"]
    assert scratch_dir.stat().st_mode & 0o777 == 0o755


def test_only_its_owner_reads_the_password(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The password is the owner's alone; making the cluster leaves no copy of it behind."""
    server.start()

    assert (data_dir / "password").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in data_dir.glob("password*")) == ["password"]


def test_a_wrong_password_is_refused(server: EmbeddedPostgres) -> None:
    """The server trusts nobody, not even on the loopback interface."""
    url = server.start()
    password = url.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        query(url.replace(password, "guessed"), "SELECT 1")


def test_a_lost_password_is_said(server: EmbeddedPostgres, data_dir: Path) -> None:
    """Without the password file the start says what is missing, and touches nothing."""
    server.start()
    server.stop()
    (data_dir / "password").unlink()

    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        server.start()


def test_a_server_that_does_not_start_says_why(data_dir: Path) -> None:
    """A setting that PostgreSQL refuses is in the message."""
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres(data_dir, {"no_such_setting": "1"}).start()


def test_an_unfinished_cluster_is_made_anew(server: EmbeddedPostgres, data_dir: Path) -> None:
    """What a kill in the middle of the making left behind is thrown away."""
    (data_dir / "cluster.unfinished").mkdir(parents=True)
    (data_dir / "cluster.unfinished" / "PG_VERSION").write_text("18\n")
    (data_dir / "password").write_text("half")
    (data_dir / "lock").touch()

    assert query(server.start(), "SELECT 1") == 1


@pytest.mark.skipif(not ROOT, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused_by_name(scratch_dir: Path) -> None:
    """A data directory that belongs to another user is not taken over; the message names both."""
    stranger = pwd.getpwnam("daemon")
    os.chown(scratch_dir, stranger.pw_uid, stranger.pw_gid)

    with pytest.raises(EmbeddedPostgresError, match=r"belongs to 'daemon', .* runs as 'root'"):
        EmbeddedPostgres(scratch_dir, QUICK).start()


@pytest.mark.skipif(not ROOT, reason="an ordinary user's server runs as that user")
def test_root_is_told_when_the_server_cannot_reach_its_data(scratch_dir: Path) -> None:
    """As root, a data directory below a private folder is refused, and the folder stays private."""
    private = scratch_dir / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(EmbeddedPostgresError, match=r"cannot reach .*/var/lib/fermata"):
        EmbeddedPostgres(private / "data", QUICK).start()

    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ROOT, reason="an ordinary user's server runs as that user")
def test_root_runs_binaries_from_a_private_folder(
    scratch_dir: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with binaries below a private folder, the server runs from a copy, made once."""
    private = scratch_dir / "private"
    private.mkdir(mode=0o700)
    package = binaries.installed_package()
    installed = private / package.name / binaries.INSTALLATION
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / binaries.INSTALLATION / part, installed / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, private / libraries.name)
    cache = scratch_dir / "cache"
    cache.mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "installed_package", lambda: private / package.name)
    monkeypatch.setattr(binaries, "shared_cache", lambda: cache)

    for _ in range(2):
        with EmbeddedPostgres(data_dir, QUICK) as server:
            assert query(server.url, "SELECT 1") == 1
            running = Path(f"/proc/{server.pid}/exe").resolve()
            assert running.is_relative_to(cache)

    assert len(list(cache.iterdir())) == 1
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ROOT, reason="an ordinary user's server runs as that user")
def test_root_never_runs_the_server_as_root(server: EmbeddedPostgres) -> None:
    """Started by root, the server is the unprivileged account's."""
    server.start()

    assert Path(f"/proc/{server.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@pytest.mark.skipif(not ROOT, reason="needs root to become somebody else")
def test_an_ordinary_user_needs_nobody_else(scratch_dir: Path) -> None:
    """Run by an ordinary user, the server is that user's, and nothing of it is open to others."""
    user = pwd.getpwnam("daemon")
    os.chown(scratch_dir, user.pw_uid, user.pw_gid)
    program = f"""
import os, pathlib
from service.db.embedded import EmbeddedPostgres, account, binaries, server
copied = binaries.usable_binaries(account.Account.of_server())
os.setgroups([])
os.setgid({user.pw_gid})
os.setuid({user.pw_uid})
server.usable_binaries = lambda account: copied
home = pathlib.Path({str(scratch_dir)!r}, "data")
with EmbeddedPostgres(home, {QUICK!r}) as own:
    print(pathlib.Path(f"/proc/{{own.pid}}").stat().st_uid, oct(home.stat().st_mode))
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert said.split() == [str(user.pw_uid), "0o40700"]


def test_the_default_directory_suits_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's data go below /var/lib, where the server's account can go; a user's go home."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/fermata")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/ada/data")
    assert default_data_dir() == Path("/home/ada/data/fermata")

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_data_dir() == Path("/home/ada/.local/share/fermata")
