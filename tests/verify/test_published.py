"""A log looked at from the outside: what it publishes holds together, or it is said where not."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from service.domain.tiles import Tile, bundle_path, tile_path
from service.transparency.keys import SigningKey
from service.transparency.note import encode64
from service.verify.claims import NO_LOG_KEY
from service.verify.fetching import NotPublic
from service.verify.finding import CannotLook, Report, What
from service.verify.keeping import kept_checkpoint
from service.verify.notes import read_key
from service.verify.paths import split
from service.verify.published import NOT_PUBLIC, verify_published
from tests.transparency.logs import KEY, published
from tests.verify.seeded import VERIFIERS, Seeded

KEYS: Final = [read_key(VERIFIERS[0])]
CLOSED: Final = b"closed"


class Files:
    """A log's files in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Take all of them."""
        self.files = dict(files)
        self.asked = 0
        self.most = 0

    async def get(self, path: str) -> bytes | None:
        """Return one."""
        self.asked += 1
        self.most = max(self.most, self.asked)
        await asyncio.sleep(0)
        self.asked -= 1
        if self.files.get(path) is CLOSED:
            raise NotPublic(path)
        return self.files.get(path)


@pytest.fixture(scope="session")
def everything(seeded: Seeded) -> Iterator[Mapping[str, bytes]]:
    """Return every file that the seeded log publishes."""
    with asyncio.Runner() as runner:
        yield runner.run(_everything(seeded))


async def _everything(seeded: Seeded) -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    async with published(seeded.url) as log:
        note = await log.note()
        assert note is not None
        files["checkpoint"] = note.encode()
        for number in range(3):
            width = min(256, seeded.size - 256 * number)
            bundle = await log.bundle(number, width)
            tile = await log.tile(Tile(0, number), width)
            assert bundle is not None
            assert tile is not None
            files[bundle_path(number, width)] = bundle
            files[tile_path(Tile(0, number), width)] = tile
        above = await log.tile(Tile(1, 0), 2)
        assert above is not None
        files[tile_path(Tile(1, 0), 2)] = above
    return files


@pytest.fixture
def log(everything: Mapping[str, bytes]) -> Files:
    """Return the log's files, to be changed."""
    return Files(everything)


async def looked_at(log: Files, seeded: Seeded | None = None) -> Report:
    """Look at a log, with the checkpoints that somebody kept of it."""
    notes = [] if seeded is None else seeded.notes
    kept = [kept_checkpoint(note, "kept", KEYS) for note in notes]
    report, _ = await verify_published(log, KEYS, kept)
    return report


async def test_what_is_published_holds(log: Files, seeded: Seeded) -> None:
    """Every entry and every tile leads to the root that is signed, and to those of before."""
    report = await looked_at(log, seeded)
    assert report.findings == ()
    assert report.looked["entries"] == report.size == seeded.size
    assert report.looked["tiles"] == 4
    assert report.looked["roots of checkpoints"] == 4
    assert log.most <= 5, "few requests at once"


async def test_without_a_key_it_says_so(log: Files) -> None:
    """Then nobody knows whose log it is."""
    report, note = await verify_published(log, [])
    assert report.holds
    assert NO_LOG_KEY in report.unseen
    assert note.encode() == log.files["checkpoint"]


async def test_a_changed_entry(log: Files) -> None:
    """The tile beside it, and the root that was signed, are of another."""
    entries = list(split(log.files["tile/entries/001"]))
    entries[3] = entries[3].replace(b'"nonce":"', b'"nonce":"0', 1).replace(b"00", b"0", 1)
    changed = b"".join(len(one).to_bytes(2, "big") + one for one in entries)
    log.files["tile/entries/001"] = changed
    report = await looked_at(log)
    assert report.first_wrong == 260
    assert {What.TILE_ALTERED, What.HISTORY_CHANGED} <= {one.what for one in report.findings}


async def test_a_lost_entry(log: Files) -> None:
    """A bundle that ends too early lacks its last entries."""
    log.files["tile/entries/001"] = log.files["tile/entries/001"][:-10]
    report = await looked_at(log)
    assert report.first_wrong == 512
    assert What.EVENT_MISSING in {one.what for one in report.findings}


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/2"])
async def test_a_flipped_bit_in_a_tile(log: Files, path: str) -> None:
    """Tiles are what others prove things with: they count as much as the entries."""
    tile = bytearray(log.files[path])
    tile[33] ^= 1
    log.files[path] = bytes(tile)
    report = await looked_at(log)
    [finding] = report.findings
    assert (finding.what, finding.where) == (What.TILE_ALTERED, path)
    assert finding.revision == {"tile/0/001": 258, "tile/1/000.p/2": 257}[path]


async def test_a_missing_tile(log: Files) -> None:
    """What a checkpoint covers has to be there."""
    del log.files["tile/1/000.p/2"]
    report = await looked_at(log)
    assert {one.what for one in report.findings} == {What.TILE_MISSING}


async def test_something_behind_the_last_entry(log: Files) -> None:
    """Bundles are laid out to the byte: others would read what stands there as an entry."""
    log.files["tile/entries/001"] += b"\0"
    [finding] = (await looked_at(log)).findings
    assert finding.what is What.EVENT_EXTRA


async def test_a_size_that_is_made_up(log: Files) -> None:
    """It does not ask for what is not there until the end of time."""
    text = f"{KEY.name}\n{10**18}\n{encode64(bytes(32))}\n"
    log.files["checkpoint"] = f"{text}\n{KEY.sign(text).line()}".encode()
    report = await looked_at(log)
    assert What.EVENT_MISSING in {one.what for one in report.findings}
    assert report.looked["entries"] < 1_000


async def test_another_past(log: Files, seeded: Seeded) -> None:
    """A log that is consistent in itself, but not with what somebody kept, is found out."""
    other = SigningKey(KEY.name, KEY.seed)
    text = f"{KEY.name}\n300\n{encode64(bytes(32))}\n"
    forked = f"{text}\n{other.sign(text).line()}"
    kept = [kept_checkpoint(one, "kept", KEYS) for one in (*seeded.notes, forked)]
    report, _ = await verify_published(log, KEYS, kept)
    [finding] = report.findings
    assert finding.what is What.HISTORY_CHANGED
    assert finding.revision == kept[1].claim.size + 1


async def test_a_log_that_went_back(log: Files, seeded: Seeded) -> None:
    """An older checkpoint over more events than there are."""
    text = f"{KEY.name}\n{seeded.size + 5}\n{encode64(bytes(32))}\n"
    note = f"{text}\n{KEY.sign(text).line()}"
    report, _ = await verify_published(log, KEYS, [kept_checkpoint(note, "kept", KEYS)])
    [finding] = report.findings
    assert (finding.what, finding.revision) == (What.WENT_BACK, seeded.size + 1)


async def test_entries_for_auditors_only(log: Files, seeded: Seeded) -> None:
    """The tiles still lead to every root, and it is said that entries were not looked at."""
    for path in list(log.files):
        if path.startswith("tile/entries/"):
            log.files[path] = CLOSED
    report = await looked_at(log, seeded)
    assert report.holds
    assert report.unseen[NOT_PUBLIC] == seeded.size


async def test_a_log_that_has_grown_meanwhile(log: Files, seeded: Seeded) -> None:
    """Its partial files are gone: the full ones begin with them."""
    width = seeded.size - 512
    for path in (f"tile/entries/002.p/{width}", f"tile/0/002.p/{width}"):
        grown = log.files.pop(path)
        log.files[path.partition(".p")[0]] = grown + grown[-34:]
    assert (await looked_at(log, seeded)).holds


@pytest.mark.parametrize("checkpoint", [None, b"hello", b"a\n1\nAAAA\n\n"])
async def test_what_is_no_log(log: Files, checkpoint: bytes | None) -> None:
    """It cannot be looked at, which is not the same as being wrong."""
    if checkpoint is None:
        del log.files["checkpoint"]
    else:
        log.files["checkpoint"] = checkpoint
    with pytest.raises(CannotLook):
        await looked_at(log)


async def test_a_checkpoint_by_somebody_else(log: Files) -> None:
    """Whose log it is, the key says and not the address."""
    stranger = SigningKey(KEY.name, bytes(32)).verifier()
    with pytest.raises(CannotLook, match="signed by none of the keys"):
        await verify_published(log, [read_key(str(stranger))])
