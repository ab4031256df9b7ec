"""The folder of snapshots: one file, whole or not there, private, and one writer at a time."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from service.decisions.index import Index
from service.decisions.snapshots import folder as folders
from service.decisions.snapshots.file import reach_of, write_index
from service.decisions.snapshots.folder import FolderBusy, Overtaken, SnapshotFolder
from tests.decisions.snapshots.indexes import new_index
from tests.domain.histories import ARTISTS, Ledger, Register
from tests.ledger.writing import KEY


def index_of(artists: int) -> Index:
    """Return an index of so many events and one."""
    return new_index(Ledger().grant(Register(1, one) for one in ARTISTS[:artists]).events)


def write(path: Path, index: Index) -> None:
    """Write a snapshot."""
    with SnapshotFolder(path).writing() as unfinished:
        write_index(unfinished.file, index, KEY, os.urandom)
        unfinished.publish()


def names(path: Path) -> set[str]:
    """Return the files there, but for the locks."""
    return {one.name for one in path.iterdir() if one.suffix != ".lock"}


def test_the_newest_alone_is_kept_and_says_how_far_it_reaches(tmp_path: Path) -> None:
    """In a folder that was not there before, and for nobody else to look into."""
    path = tmp_path / "new" / "snapshots"
    assert SnapshotFolder(path).newest() is None
    for artists in (1, 2):
        write(path, index_of(artists))
        assert SnapshotFolder(path).newest() == reach_of(index_of(artists))
        assert names(path) == {"index-1.snapshot"}
    assert path.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in path.iterdir()} == {0o600}


def test_one_that_is_not_published_comes_to_nothing(tmp_path: Path) -> None:
    """The one before stays, whatever went wrong."""
    write(tmp_path, index_of(1))
    with suppress(OSError), SnapshotFolder(tmp_path).writing() as unfinished:
        write_index(unfinished.file, index_of(2), KEY, os.urandom)
        raise OSError("the disk is full")
    assert SnapshotFolder(tmp_path).newest() == reach_of(index_of(1))
    assert names(tmp_path) == {"index-1.snapshot"}


_KILLED = """
import os, signal, sys
from pathlib import Path
from service.decisions.snapshots.folder import SnapshotFolder
with SnapshotFolder(Path(sys.argv[1])).writing() as unfinished:
    unfinished.file.write(b"half of it" * 100)
    unfinished.file.flush()
    print("writing", flush=True)
    signal.pause()
"""


def test_a_writer_that_is_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    """While it lives nobody else writes; what it leaves is no snapshot, and goes with the next."""
    write(tmp_path, index_of(1))
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert SnapshotFolder(tmp_path).busy
        with pytest.raises(FolderBusy):
            write(tmp_path, index_of(2))
        process.send_signal(signal.SIGKILL)
    assert not SnapshotFolder(tmp_path).busy
    assert names(tmp_path) == {"index-1.snapshot", "index-1.snapshot.unfinished"}
    assert SnapshotFolder(tmp_path).newest() == reach_of(index_of(1))
    write(tmp_path, index_of(2))
    assert SnapshotFolder(tmp_path).newest() == reach_of(index_of(2))
    assert names(tmp_path) == {"index-1.snapshot"}


def test_what_stands_before_an_erasure_is_removed(tmp_path: Path) -> None:
    """What stands at the erasure, or later, stays."""
    write(tmp_path, index_of(2))
    SnapshotFolder(tmp_path).discard_before(3)
    assert names(tmp_path) == {"index-1.snapshot"}
    SnapshotFolder(tmp_path).discard_before(4)
    assert names(tmp_path) == set()
    SnapshotFolder(tmp_path / "nowhere").discard_before(4)


def test_so_is_what_is_being_written_and_its_writer_notices(tmp_path: Path) -> None:
    """One that has not begun to write is left alone: it may know of the erasure by then."""
    snapshots = SnapshotFolder(tmp_path)
    with snapshots.writing() as unfinished:
        snapshots.discard_before(9)
        assert len(names(tmp_path)) == 1
        write_index(unfinished.file, index_of(2), KEY, os.urandom)
        snapshots.discard_before(3)
        assert len(names(tmp_path)) == 1
        snapshots.discard_before(4)
        assert names(tmp_path) == set()
        with pytest.raises(Overtaken):
            unfinished.publish()


def test_what_nobody_can_read_does_not_outlive_an_erasure_either(tmp_path: Path) -> None:
    """Another format's file, or one that is not what it says."""
    for name in ("index-7.snapshot", "index-1.snapshot", "index-0.snapshot.unfinished"):
        (tmp_path / name).write_bytes(b"?" * 1_000)
    (tmp_path / "somebody-elses").write_bytes(b"?" * 1_000)
    SnapshotFolder(tmp_path).discard_before(1)
    assert names(tmp_path) == {"somebody-elses"}


def test_an_older_releases_snapshot_goes_and_a_newer_ones_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While two releases run beside each other, neither keeps the other from starting quickly."""
    (tmp_path / "index-0.snapshot").write_bytes(b"old")
    (tmp_path / "index-2.snapshot").write_bytes(b"new")
    write(tmp_path, index_of(1))
    assert names(tmp_path) == {"index-1.snapshot", "index-2.snapshot"}
    monkeypatch.setattr(folders, "FORMAT", 2)
    write(tmp_path, index_of(1))
    assert names(tmp_path) == {"index-2.snapshot"}


def test_only_the_file_that_was_opened_is_removed(tmp_path: Path) -> None:
    """Somebody may have put a better one in its place meanwhile."""
    write(tmp_path, index_of(1))
    snapshots = SnapshotFolder(tmp_path)
    opened = snapshots.open()
    assert opened is not None
    with opened:
        write(tmp_path, index_of(2))
        snapshots.remove(opened)
        assert names(tmp_path) == {"index-1.snapshot"}
    newer = snapshots.open()
    assert newer is not None
    with newer:
        snapshots.remove(newer)
        snapshots.remove(newer)
    assert names(tmp_path) == set()
    assert snapshots.open() is None
