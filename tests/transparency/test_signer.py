"""The signer signs what it has verified, once, and never anything that contradicts it."""

import asyncio
import errno
import fcntl
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from service.db.embedded import EmbeddedPostgres
from service.db.migrate import upgrade
from service.domain.merkle import EMPTY_ROOT, CompactRange, leaf_hash
from service.domain.tiles import WIDTH
from service.ledger.events import LedgerBroken
from service.transparency import signer as signer_module
from service.transparency.checkpoint import Checkpoint, parse_checkpoint
from service.transparency.continuation import WentBack
from service.transparency.identity import LogIdentity
from service.transparency.kept import KeptBroken, KeptCheckpoint
from service.transparency.keys import SigningKey
from service.transparency.note import parse_note
from service.transparency.signer import NotSignedYet
from tests.ledger.naive_tree import tree_head
from tests.ledger.writing import connected
from tests.transparency.logs import (
    IDENTITY,
    KEY,
    ORIGIN,
    checkpoints_of,
    copy_of,
    entries_of,
    grow,
    restore,
    signing,
    superuser,
)

OTHER: Final = SigningKey(ORIGIN, bytes(32))


async def sizes_of(url: str) -> list[int]:
    """Return the sizes that checkpoints were published of, each with the definition's root."""
    entries, sizes = await entries_of(url), []
    for note in await checkpoints_of(url):
        checkpoint = IDENTITY.open(note)
        assert checkpoint.root == tree_head(entries[: checkpoint.size])
        sizes.append(checkpoint.size)
    return sizes


async def test_an_empty_ledger_is_signed_at_once(database_url: str) -> None:
    """There is a checkpoint from the first moment on."""
    async with signing(database_url) as signer:
        assert signer.size == 0
    (note,) = await checkpoints_of(database_url)
    assert IDENTITY.open(note).root == EMPTY_ROOT


async def test_what_grew_is_signed_once(database_url: str) -> None:
    """A look at a ledger that has not grown signs nothing."""
    async with signing(database_url) as signer:
        for size in (1, 2, 255, 256, 300):
            await grow(database_url, size - (signer.size or 0))
            await signer.look()
            await signer.look()
            assert signer.size == size
    assert await sizes_of(database_url) == [0, 1, 2, 255, 256, 300]


async def test_it_looks_by_itself(database_url: str) -> None:
    """Whoever needs a checkpoint that covers an event waits for it."""
    async with signing(database_url, interval=0.01) as signer:
        await grow(database_url, 5)
        await signer.reach(5, timeout=10)
        with pytest.raises(NotSignedYet, match="revision 6"):
            await signer.reach(6, timeout=0.05)
    assert (await sizes_of(database_url))[-1] == 5


async def test_it_goes_on_after_a_restart(database_url: str, tmp_path: Path) -> None:
    """From the checkpoint, by the stored tiles, without reading the events before it again."""
    async with signing(database_url, tmp_path):
        pass
    for size in (700, 701):
        await grow(database_url, size - (0 if size == 700 else 700))
        async with signing(database_url, tmp_path) as signer:
            assert signer.size == size
    async with superuser(database_url) as database:  # what was signed is not read again
        await database.execute("UPDATE ledger SET leaf = 'x' WHERE revision = 3")
    await grow(database_url, 1)
    async with signing(database_url, tmp_path) as signer:
        assert signer.size == 702


async def test_many_events_are_verified_while_the_service_runs(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting does not wait for it."""
    monkeypatch.setattr(signer_module, "_BEFORE_STARTING", 10)
    await grow(database_url, 30)
    async with signing(database_url, interval=0.01) as signer:
        await signer.reach(30, timeout=10)
    async with signing(database_url) as signer:
        assert signer.size == 30
    await grow(database_url, 11)
    async with signing(database_url) as signer:
        assert signer.size == 30


async def test_tiles_that_an_older_release_left_out_are_written(database_url: str) -> None:
    """Before anything is signed."""
    await grow(database_url, 20 * WIDTH)
    async with superuser(database_url) as database:
        await database.execute("TRUNCATE ledger_tiles")
    async with signing(database_url) as signer:
        await signer.look()
        assert signer.size == 20 * WIDTH


# Several at once


async def test_one_of_many_signs(database_url: str, tmp_path: Path) -> None:
    """Replicas that look at the same moment publish each size once, and all are consistent."""
    async with signing(database_url, tmp_path) as one, signing(database_url) as two:
        for _ in range(10):
            await grow(database_url, 7)
            await asyncio.gather(*(signer.look() for signer in (one, two, one)[:2]))
            await asyncio.gather(*(signer.look() for signer in (two, one)))
            assert one.size == two.size
    assert await sizes_of(database_url) == list(range(0, 71, 7))


async def test_signers_race_with_writers(database_url: str, tmp_path: Path) -> None:
    """Whatever was signed meanwhile is a prefix of what there is in the end."""
    async with (
        signing(database_url, tmp_path, interval=0.001),
        signing(database_url, tmp_path, interval=0.001) as last,
        signing(database_url, interval=0.002),
    ):
        for _ in range(6):
            await grow(database_url, random.randint(1, 90))
        size = len(await entries_of(database_url))
        await last.reach(size, timeout=20)
    sizes = await sizes_of(database_url)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == size


async def test_everybody_keeps_what_anybody_signed(database_url: str, tmp_path: Path) -> None:
    """A machine whose process did not sign remembers as well."""
    async with (
        signing(database_url, tmp_path / "a") as one,
        signing(database_url, tmp_path / "b") as other,
    ):
        await grow(database_url, 9)
        await one.look()
        await other.look()
    kept = [KeptCheckpoint(tmp_path / name, ORIGIN).read() for name in "ab"]
    assert kept == [(await checkpoints_of(database_url))[-1]] * 2


# A standby that has not got everything


async def test_a_standby_that_is_away_keeps_the_signer_and_nobody_else_waiting(
    scratch_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the primary has may be lost with it: nothing is signed over it, and all runs on."""
    monkeypatch.setattr(signer_module, "_STARTING_SECONDS", 0.3)
    with EmbeddedPostgres(scratch_dir / "data", {"fsync": "off"}) as server:
        await asyncio.to_thread(upgrade, server.url)
        await grow(server.url, 3)
        async with connected(server.url) as database:
            await database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            await database.execute("SELECT pg_reload_conf()")
            async with signing(server.url) as signer:
                assert await sizes_of(server.url) == []
                await database.execute("ALTER SYSTEM RESET synchronous_standby_names")
                await database.execute("SELECT pg_reload_conf()")
                await signer.look()
                assert signer.size == 3
        assert await sizes_of(server.url) == [3]


async def test_a_commit_that_only_the_primary_has_is_not_signed_over(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says so in a warning, and calls the commit a success."""
    async with signing(database_url) as signer:
        await grow(database_url, 3)
        with monkeypatch.context() as away:
            away.setattr(
                signer_module,
                "_WRITE_SOMETHING",
                "DO $$ BEGIN RAISE WARNING 'local only' USING ERRCODE = '01000'; END $$",
            )
            with pytest.raises(TimeoutError, match="standby"):
                await signer.look()
        assert await sizes_of(database_url) == [0]
        await signer.look()
    assert await sizes_of(database_url) == [0, 3]


# A ledger that is not what was signed


@pytest.mark.parametrize("grown_again", [0, 40, 300])
async def test_a_restored_backup_is_refused(
    database_url: str, tmp_path: Path, grown_again: int
) -> None:
    """By the checkpoint outside of the database: shorter, or as long again with other events."""
    await grow(database_url, 290)
    async with signing(database_url, tmp_path):
        await copy_of(database_url, "backup")
    await grow(database_url, 10)
    async with signing(database_url, tmp_path):
        pass
    await restore(database_url, "backup")
    await grow(database_url, grown_again)
    with pytest.raises(WentBack, match="FERMATA_LOG_ORIGIN") as refused:
        async with signing(database_url, tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert (await sizes_of(database_url))[-1] == 290


async def test_a_ledger_that_goes_back_while_it_runs_is_refused(database_url: str) -> None:
    """Whoever runs remembers, even without a file; and tells whoever waits."""
    await grow(database_url, 20)
    await copy_of(database_url, "backup")
    await grow(database_url, 5)
    async with signing(database_url, interval=0.01) as signer:
        await restore(database_url, "backup")
        with pytest.raises(LedgerBroken, match="held 25 events and now holds 20"):
            await signer.reach(26, timeout=10)
        assert signer.refusal is not None


async def test_another_log_may_begin_where_events_are_lost(
    database_url: str, tmp_path: Path
) -> None:
    """Under another origin, with files and checkpoints of its own."""
    await grow(database_url, 20)
    await copy_of(database_url, "backup")
    await grow(database_url, 5)
    async with signing(database_url, tmp_path):
        pass
    await restore(database_url, "backup")
    key = SigningKey("log.example/second", KEY.seed)
    second = LogIdentity(key.name, key, (key.verifier(),))
    async with signing(database_url, tmp_path, second) as signer:
        assert signer.size == 20
    with pytest.raises(WentBack):
        async with signing(database_url, tmp_path):
            pass


async def tail_rewritten(url: str, since: int) -> None:
    """Replace the events after a revision by others, and make all that rests on them agree."""
    async with superuser(url) as database:
        size = await database.fetchval("SELECT size FROM ledger_head")
        await database.execute("DELETE FROM ledger WHERE revision > $1", since)
        await database.execute("DELETE FROM ledger_tiles WHERE (number + 1) * 256 > $1", since)
    tree = CompactRange()
    for entry in await entries_of(url):
        tree = tree.append(leaf_hash(entry))
    async with superuser(url) as database:
        await database.execute(
            "UPDATE ledger_head SET size = $1, stack = $2", since, tree.to_bytes()
        )
    await grow(url, size - since)


@pytest.mark.parametrize("since", [10, 255, 299])
async def test_a_tail_rewritten_with_its_tiles_is_refused(database_url: str, since: int) -> None:
    """The database agrees with itself, and not with what was signed."""
    await grow(database_url, 300)
    async with signing(database_url):
        pass
    await tail_rewritten(database_url, since)
    with pytest.raises(WentBack, match="first 300 events are not those"):
        async with signing(database_url):
            pass


ANOTHER: Final = "leaf = 'x', leaf_hash = sha256('\\x0078')"
"""Another event, with a hash that is its own."""


def flipped(column: str, bit: int) -> str:
    """Return the assignment that flips one bit."""
    return f"{column} = set_bit({column}, {bit}, 1 - get_bit({column}, {bit}))"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE ledger SET leaf = 'x' WHERE revision = 600", "event 600"),
        (f"UPDATE ledger SET {ANOTHER} WHERE revision = 600", "tree"),
        (f"UPDATE ledger SET {ANOTHER} WHERE revision = 500", "tile"),
        ("DELETE FROM ledger WHERE revision = 600", "event 600 is missing"),
        ("DELETE FROM ledger WHERE revision = 610", "event 610 is missing"),
        ("UPDATE ledger SET revision = -1 WHERE revision = 555", "event 555 is missing"),
        (f"UPDATE ledger_tiles SET {flipped('hashes', 9)} WHERE number = 1", "not those"),
        (f"UPDATE ledger_tiles SET {flipped('hashes', 65_000)} WHERE number = 1", "tile 1 of"),
        (f"UPDATE ledger_tiles SET {flipped('root', 9)} WHERE number = 1", "tile 1 of"),
        ("DELETE FROM ledger_tiles WHERE number = 0", "tile 0"),
        (f"UPDATE ledger_head SET {flipped('stack', 9)}", "tree"),
        ("UPDATE ledger_checkpoints SET note = replace(note, '300', '299')", "not signed by"),
        ("UPDATE ledger_tiles SET root = sha256('x') WHERE number = 0", "not those"),
    ],
)
async def test_nothing_is_signed_over_what_was_changed(
    database_url: str, change: str, found: str
) -> None:
    """Whatever was changed since the last checkpoint, or in what leads there from it."""
    await grow(database_url, 300)
    async with signing(database_url):
        pass
    await grow(database_url, 310)
    async with superuser(database_url) as database:
        assert not (await database.execute(change)).endswith(" 0")
    with pytest.raises(LedgerBroken, match=found):
        async with signing(database_url):
            pass
    assert len(await checkpoints_of(database_url)) == 1


async def test_a_signed_event_that_no_tile_has_yet_is_compared(database_url: str) -> None:
    """The end of what was signed is read from the events' own hashes until a tile is full."""
    await grow(database_url, 300)
    async with signing(database_url):
        pass
    async with superuser(database_url) as database:
        await database.execute("UPDATE ledger SET leaf_hash = sha256('x') WHERE revision = 290")
    with pytest.raises(WentBack, match="first 300 events are not those"):
        async with signing(database_url):
            pass


async def test_a_checkpoint_that_somebody_else_put_there_is_refused(database_url: str) -> None:
    """Whoever writes in the database has not got the key."""
    await grow(database_url, 3)
    forged = parse_checkpoint(f"{ORIGIN}\n3\n{'A' * 43}=\n").signed(OTHER).encode()
    async with superuser(database_url) as database:
        await database.execute(
            "INSERT INTO ledger_checkpoints VALUES ($1, 3, $2, now())", ORIGIN, forged
        )
    with pytest.raises(WentBack, match="FERMATA_LOG_OLD_KEYS"):
        async with signing(database_url):
            pass


async def test_a_key_may_be_changed(database_url: str) -> None:
    """The one before is named, so that what it signed still counts."""
    await grow(database_url, 3)
    async with signing(database_url):
        pass
    await grow(database_url, 1)
    renewed = LogIdentity(ORIGIN, OTHER, (OTHER.verifier(), KEY.verifier()))
    async with signing(database_url, identity=renewed) as signer:
        assert signer.size == 4
    signed_by = [parse_note(one).signatures[0].key_id for one in await checkpoints_of(database_url)]
    assert signed_by == [KEY.verifier().key_id, OTHER.verifier().key_id]


# The file outside


async def test_a_crash_between_file_and_database_is_no_fork(
    database_url: str, tmp_path: Path
) -> None:
    """What was kept and not published is published then, the same to the byte."""
    await grow(database_url, 8)
    async with signing(database_url, tmp_path):
        pass
    (note,) = await checkpoints_of(database_url)
    async with superuser(database_url) as database:
        await database.execute("DELETE FROM ledger_checkpoints")
    async with signing(database_url, tmp_path):
        pass
    assert await checkpoints_of(database_url) == [note]


class Overtaken(KeptCheckpoint):
    """A shared folder in which another pod keeps a larger checkpoint first, and stops there."""

    def __init__(self, folder: Path, url: str) -> None:
        """Take the folder, and the ledger that grows meanwhile."""
        super().__init__(folder, ORIGIN)
        self._url = url
        self._overtaken = False

    def advance(self, note: str) -> Checkpoint | None:
        """Be too late, once, for the first checkpoint that covers anything."""
        if self._read(note).size and not self._overtaken:
            self._overtaken = True
            asyncio.run(grow(self._url, 1))
            entries = asyncio.run(entries_of(self._url))
            larger = Checkpoint(ORIGIN, len(entries), tree_head(entries))
            super().advance(larger.signed(KEY).encode())
        return super().advance(note)


async def test_a_crash_of_another_who_shares_the_folder_stops_nobody(
    database_url: str, tmp_path: Path
) -> None:
    """What it kept and could not publish is gone on from, though it was kept in between."""
    async with signing(database_url, kept=Overtaken(tmp_path, database_url)) as signer:
        await grow(database_url, 5)
        await signer.look()
        assert await sizes_of(database_url) == [0]
        await signer.look()
    assert await sizes_of(database_url) == [0, 6]


@pytest.mark.parametrize("text", ["", "half a chec", "other.example\n3\n" + "A" * 43 + "=\n\n"])
async def test_a_file_that_cannot_be_read_is_not_ignored(
    database_url: str, tmp_path: Path, text: str
) -> None:
    """It may be the only witness there is."""
    KeptCheckpoint(tmp_path, ORIGIN).path.write_text(text)
    with pytest.raises(KeptBroken, match="checkpoint"):
        async with signing(database_url, tmp_path):
            pass


async def test_nothing_is_published_that_could_not_be_kept(
    database_url: str, tmp_path: Path
) -> None:
    """A full disk stops checkpoints, not the service; they go on when it is free again."""
    folder = tmp_path / "log"
    async with signing(database_url, folder) as signer:
        await grow(database_url, 4)
        (folder / "lock").unlink()
        (folder / "lock").mkdir()
        with pytest.raises(OSError, match="directory"):
            await signer.look()
        assert await sizes_of(database_url) == [0]
        (folder / "lock").rmdir()
        await signer.look()
    assert await sizes_of(database_url) == [0, 4]


def test_what_is_kept_never_goes_back(tmp_path: Path) -> None:
    """An older checkpoint replaces no newer one, whoever comes last."""
    kept = KeptCheckpoint(tmp_path / "made" / "anew", ORIGIN)
    notes = [
        parse_checkpoint(f"{ORIGIN}\n{size}\n{'A' * 43}=\n").signed(KEY).encode()
        for size in range(3)
    ]
    assert kept.read() is None
    for note, size in ((notes[1], 1), (notes[0], 1), (notes[2], 2), (notes[1], 2)):
        found = kept.advance(note)
        assert found is not None
        assert found.size == size
    assert kept.read() == notes[2]
    assert [path.name for path in kept.path.parent.iterdir() if path.name.startswith(".")] == []


def test_processes_that_share_the_folder_do_not_take_each_other_back(tmp_path: Path) -> None:
    """Each keeps checkpoints as it comes by them; what is kept in the end is the largest."""
    doing = (
        "import sys; from pathlib import Path\n"
        "from tests.transparency.test_signer import keep_all\n"
        "keep_all(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", doing, str(tmp_path), str(first)])
        for first in range(3)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    note = KeptCheckpoint(tmp_path, ORIGIN).read()
    assert note is not None
    assert IDENTITY.open(note).size == 299


def keep_all(folder: Path, first: int) -> None:
    """Keep every third checkpoint, and see after each that nothing smaller is kept."""
    kept = KeptCheckpoint(folder, ORIGIN)
    for size in range(first, 300, 3):
        checkpoint = Checkpoint(ORIGIN, size, EMPTY_ROOT)
        kept.advance(checkpoint.signed(KEY).encode())
        found = kept.read()
        assert found is not None
        assert IDENTITY.open(found).size >= size


def test_a_folder_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file servers have none; an error number alone would tell nobody what to do."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    note = Checkpoint(ORIGIN, 1, EMPTY_ROOT).signed(KEY).encode()
    with pytest.raises(OSError, match="No locks available") as refused:
        KeptCheckpoint(tmp_path, ORIGIN).advance(note)
    assert refused.value.filename == str(tmp_path / "lock")
