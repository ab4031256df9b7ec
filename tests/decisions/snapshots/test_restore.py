"""A snapshot is held against the ledger first: any other ledger than its own is noticed."""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.catalog.artists import ArtistRow, register_artists
from service.decisions.index import Index
from service.decisions.snapshots.catching_up import catch_up
from service.decisions.snapshots.folder import FolderBusy, Overtaken, SnapshotFolder
from service.decisions.snapshots.restore import restore
from service.decisions.snapshots.write import Written, write_snapshot
from service.domain.instant import DAY
from service.ledger.append import Appender, Write
from service.ledger.events import Json, Kind, NewEvent
from service.ledger.transaction import Transaction
from tests.conftest import migrated_database
from tests.decisions.snapshots.indexes import new_index
from tests.ledger.playing import play, playable
from tests.ledger.stopped_clock import NOON, set_clock, stop_clock
from tests.ledger.writing import KEY, appending, connected, open_ledger, recording_only, vault


@pytest.fixture
async def appender(database_url: str) -> AsyncIterator[Appender]:
    """Write to a ledger in which a few things have happened."""
    await stop_clock(database_url)
    async with appending(database_url) as appender:
        await play(database_url, appender, playable(random.Random(5), 40))
        yield appender


async def built(url: str) -> Index:
    """Return an index that has read the whole ledger."""
    index = new_index()
    await catch_up(index, url, vault())
    return index


async def write(url: str, folder: Path) -> Written:
    """Write a snapshot of the ledger there."""
    return await write_snapshot(folder, KEY, url, os.urandom)


async def restored(url: str, folder: Path, key: bytes = KEY) -> Index | None:
    """Return what a starting service begins with."""
    return await restore(folder, key, url, vault())


def state(index: Index) -> dict[str, object]:
    """Return everything that an index knows."""
    history = index.history
    return {
        "stands": (history.revision, history.recorded_at, index.range),
        "policies": (history.versions, history.min_notice_period, history.first_artist_at),
        "artists": dict(history.artists),
        "content": dict(history.content),
        "names": {one: index.artist_id(one) for one in history.artists},
    }


def erasing(artist_id: str) -> Write:
    """Return a write that erases an artist: the key of what they said goes, and their name."""

    async def write(transaction: Transaction) -> Json:
        connection = await transaction.session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        subject = await raw.fetchval("SELECT subject FROM artists WHERE artist_id = $1", artist_id)
        recorded = await transaction.record(
            NewEvent(Kind.ARTIST_ERASED, {"subject": subject}, timeless=True)
        )
        await raw.execute("UPDATE artists SET artist_id = NULL WHERE subject = $1", subject)
        await raw.execute("DELETE FROM private.event_details WHERE subject = $1", subject)
        return {"revision": recorded.revision}

    return write


# -- its own ledger --------------------------------------------------------------------------------


async def test_a_snapshot_and_what_came_after_it(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """The index is the one that somebody has who read it all, at the ledger's head."""
    done = await write(database_url, tmp_path)
    assert done.size is not None
    await appender.submit(register_artists([ArtistRow("newcomer")]))
    for number in range(150):
        await appender.submit(recording_only(f"use{number}"))
    index = await restored(database_url, tmp_path)
    assert index is not None
    assert index.revision == done.revision + 151
    assert state(index) == state(await built(database_url))
    assert index.artist("newcomer")
    assert len(index.history.artists) > 1


async def test_the_next_is_written_from_the_one_before(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """And nothing is written while nothing is new."""
    first = await write(database_url, tmp_path)
    assert await write(database_url, tmp_path) == Written(first.revision, None)
    before = SnapshotFolder(tmp_path).newest()
    await appender.submit(recording_only("news"))
    assert (await write(database_url, tmp_path)).revision == first.revision + 1
    assert SnapshotFolder(tmp_path).newest() != before
    index = await restored(database_url, tmp_path)
    assert index is not None
    assert state(index) == state(await built(database_url))


async def test_where_there_is_none_there_is_nothing_to_say(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first start of a service is no reason for a warning."""
    assert await restored(database_url, tmp_path / "nowhere") is None
    assert not caplog.records


async def test_a_ledger_before_its_first_event_is_none_to_keep_from(
    database_url: str, tmp_path: Path
) -> None:
    """A snapshot of nothing is restored as nothing."""
    await write(database_url, tmp_path)
    index = await restored(database_url, tmp_path)
    assert index is not None
    assert index.revision == 0


# -- any other ledger ------------------------------------------------------------------------------


async def refused(
    url: str, folder: Path, caplog: pytest.LogCaptureFixture, key: bytes = KEY
) -> str:
    """Return what is logged while a snapshot is refused; it is removed then."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert await restored(url, folder, key) is None
    assert SnapshotFolder(folder).open() is None
    return caplog.text


async def test_another_ledger(
    appender: Appender,
    database_url: str,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DATABASE_URL leads elsewhere: to a ledger that is longer, and has the same key."""
    done = await write(database_url, tmp_path)
    async with migrated_database(postgres_url) as other:
        await stop_clock(other)
        async with appending(other) as elsewhere, connected(other) as clock:
            await set_clock(clock, NOON + 100 * DAY)
            await open_ledger(elsewhere)
            for number in range(done.revision + 5):
                await elsewhere.submit(recording_only(f"use{number}"))
            assert "rests on other events" in await refused(other, tmp_path, caplog)


async def test_another_ledger_whose_events_cannot_follow(
    appender: Appender,
    database_url: str,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are earlier than the snapshot, which is told before anything is compared."""
    done = await write(database_url, tmp_path)
    async with migrated_database(postgres_url) as other, appending(other) as elsewhere:
        await open_ledger(elsewhere)
        for number in range(done.revision + 5):
            await elsewhere.submit(recording_only(f"use{number}"))
        assert "does not follow from it" in await refused(other, tmp_path, caplog)


async def test_a_ledger_that_went_back(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A backup was restored, and the snapshot knows what is no more."""
    keep = (await built(database_url)).revision
    backup = await dumped(database_url)
    for number in range(3):
        await appender.submit(recording_only(f"lost{number}"))
    await write(database_url, tmp_path)
    await back_to(database_url, backup)
    said = await refused(database_url, tmp_path, caplog)
    assert f"event {keep + 3}, and the ledger ends at {keep}" in said


async def test_a_ledger_that_went_back_and_on(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A backup was restored, or a clone went its own way; by now it is longer than the snapshot."""
    backup = await dumped(database_url)
    await appender.submit(recording_only("lost"))
    await write(database_url, tmp_path)
    await back_to(database_url, backup)
    async with appending(database_url) as again:
        for number in range(3):
            await again.submit(recording_only(f"instead{number}"))
    assert "rests on other events" in await refused(database_url, tmp_path, caplog)


async def test_a_ledger_of_the_same_length(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one event lies between, and still the last one is another."""
    backup = await dumped(database_url)
    await appender.submit(recording_only("lost"))
    await write(database_url, tmp_path)
    await back_to(database_url, backup)
    async with appending(database_url) as again:
        await again.submit(recording_only("instead"))
    assert "rests on other events" in await refused(database_url, tmp_path, caplog)


async def test_a_ledger_that_is_broken_after_it(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads it from the first event on will find the same, and say so."""
    done = await write(database_url, tmp_path)
    await appender.submit(recording_only("altered"))
    async with connected(database_url) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE ledger SET leaf = leaf || ' ' WHERE revision = $1", done.revision + 1
        )
    assert f"event {done.revision + 1}" in await refused(database_url, tmp_path, caplog)


async def dumped(url: str) -> tuple[int, bytes, object]:
    """Return the head, as a backup has it."""
    async with connected(url) as connection:
        head = await connection.fetchrow("SELECT size, stack, recorded_at FROM ledger_head")
    return head["size"], head["stack"], head["recorded_at"]


async def back_to(url: str, head: tuple[int, bytes, object]) -> None:
    """Restore the ledger from a backup."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM ledger WHERE revision > $1", head[0])
        await connection.execute("DELETE FROM uses WHERE revision > $1", head[0])
        await connection.execute(
            "UPDATE ledger_head SET size = $1, stack = $2, recorded_at = $3", *head
        )


# -- what is no snapshot ---------------------------------------------------------------------------


async def test_a_damaged_one_and_one_under_another_key(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is said to be of no use, and the next is written from the ledger's first event."""
    await write(database_url, tmp_path)
    file = tmp_path / "index-1.snapshot"
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 1
    file.write_bytes(text)
    assert "it was altered" in await refused(database_url, tmp_path, caplog)
    await write(database_url, tmp_path)
    said = await refused(database_url, tmp_path, caplog, key=KEY[::-1])
    assert "FERMATA_KEY_ENCRYPTION_KEY" in said
    file.write_bytes(b"")
    assert "too short" in await refused(database_url, tmp_path, caplog)
    assert (await write(database_url, tmp_path)).size is not None
    assert await restored(database_url, tmp_path) is not None


async def test_a_database_that_cannot_be_reached_says_nothing_about_it(
    appender: Appender, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The snapshot stays for the next start."""
    await write(database_url, tmp_path)
    nowhere = database_url.rpartition(":")[0] + ":1/nothing"
    assert await restored(nowhere, tmp_path) is None
    assert "cannot be held against the ledger now" in caplog.text
    assert await restored(database_url, tmp_path) is not None


async def test_a_folder_that_cannot_be_read_is_no_error(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A service starts without."""
    (tmp_path / "index-1.snapshot").mkdir()
    assert await restored(database_url, tmp_path) is None
    assert "cannot open the snapshot" in caplog.text


# -- writing while others write --------------------------------------------------------------------


async def test_one_writer_at_a_time(appender: Appender, database_url: str, tmp_path: Path) -> None:
    """Of two in one folder the second is told so, and the first is not disturbed."""
    told: list[str] = []

    def try_at_the_same_time(size: int) -> bytes:
        """Begin another while the first draws its file's salt."""
        with pytest.raises(FolderBusy) as refusal:
            write(database_url, tmp_path).send(None)
        told.append(str(refusal.value))
        return os.urandom(size)

    await write_snapshot(tmp_path, KEY, database_url, try_at_the_same_time)
    assert told
    assert await restored(database_url, tmp_path) is not None


async def test_an_erasure_while_it_is_written_is_noticed(
    appender: Appender, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still knows the artist is never published; what does not is, a moment later."""
    await appender.submit(register_artists([ArtistRow("leaving")]))
    before = await write(database_url, tmp_path)
    await appender.submit(recording_only("news"))
    loop, sync = asyncio.get_running_loop(), os.urandom

    def erase_now(size: int) -> bytes:
        """Erase the artist when the file's salt is drawn: everything has been read by then."""
        monkeypatch.undo()
        asyncio.run_coroutine_threadsafe(appender.submit(erasing("leaving")), loop).result()
        return sync(size)

    def write_elsewhere() -> Written:
        return asyncio.run(write_snapshot(tmp_path, KEY, database_url, erase_now))

    with pytest.raises(Overtaken):
        await asyncio.to_thread(write_elsewhere)
    reach = SnapshotFolder(tmp_path).newest()
    assert reach is not None
    assert reach.revision == before.revision
    done = await write(database_url, tmp_path)
    assert done.revision == before.revision + 2
    index = await restored(database_url, tmp_path)
    assert index is not None
    assert index.artist("leaving") == 0
    assert state(index) == state(await built(database_url))


async def test_an_erasure_after_it_is_in_the_index_that_is_restored(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """So that whoever keeps the folder knows that the file has been overtaken."""
    await appender.submit(register_artists([ArtistRow("leaving")]))
    done = await write(database_url, tmp_path)
    await appender.submit(erasing("leaving"))
    index = await restored(database_url, tmp_path)
    assert index is not None
    assert index.last_erasure == done.revision + 1
    async with connected(database_url) as connection:
        assert isinstance(connection, asyncpg.Connection)
        subject = await connection.fetchval(
            "SELECT subject FROM artists WHERE revision = $1", done.revision
        )
    assert index.history.artists[subject].erased
