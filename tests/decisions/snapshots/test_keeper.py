"""The keeper: a snapshot that is never far behind, none that outlives an erasure, no harm done."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.beside import Beside
from service.decisions.index import Index
from service.decisions.snapshots.file import reach_of, write_index
from service.decisions.snapshots.folder import SnapshotFolder
from service.decisions.snapshots.keeper import Pace, SnapshotKeeper, snapshot_process
from service.decisions.snapshots.sealed import Reach
from service.domain.events import ArtistErased, ArtistsRegistered
from service.domain.instant import SECOND
from service.settings import Settings
from tests.decisions.following import HandClock
from tests.decisions.snapshots.indexes import feed, new_index
from tests.decisions.snapshots.test_folder import names, write
from tests.domain.histories import Ledger, Register
from tests.ledger.writing import KEY

HOUR = 3_600 * SECOND
MINUTE = 60 * SECOND


def calling(path: Path, *, status: int = 0, lasts: bool = False) -> Beside:
    """Return a writer that only notes that it was called, and with what."""
    script = (
        "import json, os, signal, sys;"
        f"open({str(path)!r}, 'a').write(json.dumps(dict(os.environ)) + chr(10));"
        f"print('said so', flush=True); {'signal.pause();' if lasts else ''} sys.exit({status})"
    )
    return Beside({**os.environ, "MARK": "of this test"}, (sys.executable, "-c", script))


def calls(path: Path) -> list[dict[str, str]]:
    """Return the environment of each call."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True, slots=True)
class Kept:
    """A keeper by hand: it looks when it is told to."""

    keeper: SnapshotKeeper
    clock: HandClock
    folder: Path
    notes: Path

    async def after_a_look(self) -> int:
        """Let it look, and return how often a writer has been called by now."""
        await self.keeper.look()
        await self.keeper.written()
        return len(calls(self.notes))


def index_of(events: int) -> Index:
    """Return an index of so many events."""
    return new_index(Ledger().grant(Register(1, f"artist-{n}") for n in range(events - 1)).events)


@pytest.fixture
def keeping(tmp_path: Path) -> Callable[..., Kept]:
    """Return what makes keepers of an index."""

    def keep(index: Index, *, events: int = 10, interval: int = HOUR, **how: object) -> Kept:
        clock, notes, folder = HandClock(), tmp_path / "calls", tmp_path / "snapshots"
        writer = calling(notes, **how)  # type: ignore[arg-type]
        pace, caught_up = Pace(events, interval), asyncio.Event()
        keeper = SnapshotKeeper(folder, index, writer, pace, clock, caught_up)
        return Kept(keeper, clock, folder, notes)

    return keep


# -- when it is time -------------------------------------------------------------------------------


def test_it_is_time_when_the_newest_is_too_far_behind() -> None:
    """In events, in ids, or in the ledger's own time; never where nothing has happened."""
    pace, newest = Pace(events=100, interval=HOUR), Reach(1_000, HOUR, 50)
    for now, is_time in (
        (Reach(1_000, HOUR, 50), False),
        (Reach(1_001, HOUR + 1, 50), False),
        (Reach(1_099, HOUR + 99, 50), False),
        (Reach(1_100, HOUR + 100, 50), True),
        (Reach(1_001, 2 * HOUR - 1, 50), False),
        (Reach(1_001, 2 * HOUR, 50), True),
        (Reach(1_001, HOUR + 1, 50 + 9_899), False),
        (Reach(1_001, HOUR + 1, 50 + 9_900), True),
        (Reach(900, HOUR - 1, 40), False),
    ):
        assert pace.is_behind(newest, now) is is_time, now
    assert pace.is_behind(None, Reach(1, 1, 0))
    assert not pace.is_behind(None, Reach(0, 0, 0))


async def test_the_first_is_written_and_the_next_when_it_is_time(
    keeping: Callable[..., Kept],
) -> None:
    """By the command, in its environment; and not before, however often it looks."""
    kept = keeping(index_of(5))
    assert await kept.after_a_look() == 1
    assert calls(kept.notes)[0]["MARK"] == "of this test"
    write(kept.folder, index_of(5))
    for events, expected in ((5, 1), (14, 1), (15, 2)):
        kept.keeper.index = index_of(events)
        assert await kept.after_a_look() == expected
    write(kept.folder, index_of(100))  # somebody else, who is ahead of us
    assert await kept.after_a_look() == 2


async def test_one_that_cannot_be_read_is_as_good_as_none(keeping: Callable[..., Kept]) -> None:
    """Such as another format's, in a file of our name."""
    kept = keeping(index_of(5))
    kept.folder.mkdir()
    (kept.folder / "index-1.snapshot").write_bytes(b"?" * 500)
    assert await kept.after_a_look() == 1


async def test_a_writer_that_fails_is_tried_again_later(
    keeping: Callable[..., Kept], caplog: pytest.LogCaptureFixture
) -> None:
    """What it said is in the log, and nothing else comes of it."""
    kept = keeping(index_of(5), status=1)
    with caplog.at_level(logging.WARNING):
        assert await kept.after_a_look() == 1
    assert "said so" in caplog.text
    assert await kept.after_a_look() == 1
    kept.clock.monotonic_ahead += 4 * MINUTE
    assert await kept.after_a_look() == 1
    kept.clock.monotonic_ahead += MINUTE
    assert await kept.after_a_look() == 2


async def test_a_command_that_is_not_there_is_a_warning(
    keeping: Callable[..., Kept], caplog: pytest.LogCaptureFixture
) -> None:
    """The service goes on."""
    kept = keeping(index_of(5))
    kept.keeper.writer = Beside({}, ("/nowhere/to/be/found",))
    assert await kept.after_a_look() == 0
    assert "no snapshot was written" in caplog.text


async def test_while_somebody_writes_nobody_else_is_started(keeping: Callable[..., Kept]) -> None:
    """In a folder that several services share, or several processes of one."""
    kept = keeping(index_of(5))
    with SnapshotFolder(kept.folder).writing():
        assert await kept.after_a_look() == 0
    assert await kept.after_a_look() == 1


async def test_of_several_keepers_one_has_it_written(
    keeping: Callable[..., Kept], caplog: pytest.LogCaptureFixture
) -> None:
    """The others say nothing, and take their turn when it is theirs."""
    first, second = keeping(index_of(5), lasts=True), keeping(index_of(5))
    notes = second.notes.with_name("calls of the second")
    second.keeper.writer = calling(notes)
    await first.keeper.look()
    await second.after_a_look()
    assert not calls(notes)
    await first.keeper.__aexit__(None, None, None)
    await second.after_a_look()
    assert len(calls(notes)) == 1
    assert not caplog.records


# -- erasures --------------------------------------------------------------------------------------


def with_an_erasure(events: int) -> Index:
    """Return an index of so many events, the last of which erases an artist."""
    index = index_of(events - 1)
    return feed(index, [(index.recorded_at + 1, ArtistErased("artist-0"))])


async def test_an_erasure_ends_the_snapshot_and_a_new_one_is_written(
    keeping: Callable[..., Kept],
) -> None:
    """At once, long before it would be time; one that stands after it is left alone."""
    kept = keeping(with_an_erasure(8))
    write(kept.folder, index_of(7))
    assert await kept.after_a_look() == 1
    assert not (kept.folder / "index-1.snapshot").exists()
    write(kept.folder, with_an_erasure(8))
    assert await kept.after_a_look() == 1
    assert SnapshotFolder(kept.folder).newest() == reach_of(with_an_erasure(8))


async def test_an_erasure_ends_what_is_being_written_too(keeping: Callable[..., Kept]) -> None:
    """By whoever, and by a writer of ours that is still at work."""
    kept = keeping(index_of(7), lasts=True)
    await kept.keeper.look()
    with SnapshotFolder(kept.folder).writing() as unfinished:
        write_index(unfinished.file, index_of(7), KEY, os.urandom)
        kept.keeper.index = with_an_erasure(8)
        await kept.keeper.look()
        assert names(kept.folder) == set()
    await kept.keeper.__aexit__(None, None, None)


# -- as a service of its own -----------------------------------------------------------------------


@contextmanager
def looks_heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Queue[None]]:
    """Yield what hears of every look."""
    heard: asyncio.Queue[None] = asyncio.Queue()
    look: Callable[[SnapshotKeeper], Awaitable[None]] = SnapshotKeeper.look

    async def listened(keeper: SnapshotKeeper) -> None:
        await look(keeper)
        heard.put_nowait(None)

    monkeypatch.setattr(SnapshotKeeper, "look", listened)
    yield heard


async def test_it_looks_by_itself_once_the_index_is_there(
    keeping: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written while the service settles, but an erasure is heeded from the start."""
    kept = keeping(with_an_erasure(8))
    write(kept.folder, index_of(7))
    with looks_heard(monkeypatch) as heard:
        async with kept.keeper as keeper:
            assert heard.empty()
            keeper.caught_up.set()
            await heard.get()
            assert not (kept.folder / "index-1.snapshot").exists()
            assert not calls(kept.notes)
            kept.clock.monotonic_ahead += MINUTE
            await heard.get()
            await keeper.written()
            assert len(calls(kept.notes)) == 1


async def test_it_stops_a_writer_when_it_stops(keeping: Callable[..., Kept]) -> None:
    """Nobody is left behind."""
    kept = keeping(index_of(5), lasts=True)
    async with kept.keeper as keeper:
        await keeper.look()
        async with asyncio.timeout(30):
            while not calls(kept.notes):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
    assert keeper._writing is not None
    assert keeper._writing.done()


async def test_trouble_with_the_folder_is_a_warning(
    keeping: Callable[..., Kept],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It looks again, and writes once that can be done."""
    kept = keeping(index_of(5))
    kept.folder.write_text("this is a file")
    async with kept.keeper as keeper:
        keeper.caught_up.set()
        async with asyncio.timeout(30):
            while "cannot look after the snapshots" not in caplog.text:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert not calls(kept.notes)
        kept.folder.unlink()
        kept.clock.monotonic_ahead += MINUTE
        async with asyncio.timeout(30):
            while not calls(kept.notes):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await keeper.written()
    assert len(calls(kept.notes)) == 1


def test_the_writers_environment_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database, its key and the folder; everything else is as it is for the service."""
    monkeypatch.setenv("FERMATA_LOG_LEVEL", "warning")
    environment = snapshot_process(
        Settings(
            database_url="postgresql://here",
            key_encryption_key=SecretStr("a2V5"),
            snapshot_dir=Path("/snapshots"),
        )
    ).environment
    assert environment["DATABASE_URL"] == "postgresql://here"
    assert environment["FERMATA_KEY_ENCRYPTION_KEY"] == "a2V5"
    assert environment["FERMATA_SNAPSHOT_DIR"] == "/snapshots"
    assert environment["FERMATA_LOG_LEVEL"] == "warning"


def test_an_index_knows_its_latest_erasure() -> None:
    """The keeper asks it, so nobody can forget to tell."""
    index = with_an_erasure(8)
    assert index.last_erasure == 8
    feed(index, [(index.recorded_at + 1, ArtistsRegistered(("one more",)))])
    assert index.last_erasure == 8
