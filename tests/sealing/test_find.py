"""What is found is the same on both sides, page by page, however much of the log is sealed."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from service.decisions.log.find import FoundPage, Wanted
from service.decisions.question import About
from service.domain.assessment import Reason
from service.domain.instant import DAY
from service.replay.sealed import sealed_decisions
from service.replay.wanted import Wanted as ByReplay
from service.sealing.copies import SealedFiles
from service.sealing.find import SealedLog
from service.sealing.period import SealedUnreadable
from tests.decisions.log.deciding import LAUNCH, Said, decision
from tests.decisions.log.test_find import SlowClock, write_as_the_release_before
from tests.sealing.months import (
    APRIL,
    JUNE,
    MARCH,
    MAY,
    TRACKS,
    Months,
    made_up,
    several_months,
    wanted_of,
)

SEARCHES: Final = 16


async def test_both_sides_give_the_same_pages(months: Months) -> None:
    """Of many searches of many kinds: before anything is sealed, when some is, and when all is."""
    draw = random.Random(number := random.getrandbits(32))
    decisions = made_up(draw, 90)
    await months.record(*decisions)
    searches = [(wanted_of(draw), draw.choice([5, 20, 100])) for _ in range(SEARCHES)]
    names = [one.decision_id for one in draw.sample(decisions, 20)]
    before = [await months.pages(*search) for search in searches]
    whole = [await months.read(name) for name in names]
    assert sum(len(page.entries) for pages in before for page in pages) > SEARCHES
    for through, tables in ((APRIL, ["decisions_2026_05", "decisions_2026_06"]), (JUNE, [])):
        assert await months.seal(through)
        assert await months.tables() == tables
        for search, pages in zip(searches, before, strict=True):
            assert await months.pages(*search) == pages, (number, through, search)
        assert [await months.read(name) for name in names] == whole, number


async def test_a_decision_is_read_in_parts_from_files_too(months: Months) -> None:
    """Every outcome in the order asked, however many a page has."""
    said = [Said(), Said(Reason.OPTED_OUT, 2, -1)]
    one = decision([f"t{n}" for n in range(1_000)], [said[n % 2] for n in range(1_000)])
    await months.record(one, decision(["t1"]))
    await months.seal(MARCH)
    for first in (0, 400, 800, 1_200):
        found = await months.read(one.decision_id, first, 400)
        assert found is not None
        assert found.entry.number == 1_000
        assert found.entry.reasons == {Reason.WINDOW_CLOSED: 500, Reason.OPTED_OUT: 500}
        ids = [f"t{n}" for n in range(first, min(first + 400, 1_000))]
        assert [outcome.one for outcome in found.outcomes] == ids
    assert await months.read("dec_" + "0" * 12 + "7" + "0" * 19) is None


async def test_an_id_asked_about_twice_is_found_once(months: Months) -> None:
    """With what was answered where it was first asked about."""
    twice = decision(["a", "b", "a"], [Said(), Said(), Said(Reason.OPTED_OUT, 2, -1)])
    await months.record(twice)
    content = Wanted(about=About.CONTENT, one="a")
    before = await months.pages(content)
    denied = await months.pages(replace(content, permitted=False))
    await months.seal(MARCH)
    assert await months.pages(content) == before
    assert len(before[0].entries) == 1
    assert await months.pages(replace(content, permitted=False)) == denied


async def test_what_the_release_before_wrote_is_found_in_files_too(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By content, run and way, and by a name that does not tell its month."""
    old = "dec_" + "4" * 32
    await write_as_the_release_before(months.url, old)
    await months.record(decision(["track-1"], at=LAUNCH))
    searches = [
        Wanted(about=About.CONTENT, one="track-2", run="run-1", permitted=False),
        Wanted(run="run-1", reason=Reason.OPTED_OUT),
        Wanted(job="embeddings"),
        Wanted(use="discovery.recommendation"),
        Wanted(),
    ]
    before = [await months.pages(wanted) for wanted in searches]
    assert all(old in {e.place.decision_id for e in pages[0].entries} for pages in before)
    whole = await months.read(old)
    instant = (await months.entries(Wanted(run="run-1")))[0].place.answered_at
    await months.sealer.seal(instant + 60 * DAY, tell=lambda _: None)
    assert len([period for period in await months.periods() if period.decisions]) == 2
    assert [await months.pages(wanted) for wanted in searches] == before
    assert await months.read(old) == whole
    assert await months.read("dec_" + "5" * 32) is None


async def test_folders_may_be_called_anything(database_url: str, tmp_path: Path) -> None:
    """None is taken for a column of the files, for a pattern, or for the end of a text."""
    async with several_months(database_url, tmp_path / "client=it's [x]*") as months:
        await months.record(*(decision(["t", "u"], at=LAUNCH + n) for n in range(3)))
        searches = [Wanted(client="pipeline"), Wanted(about=About.CONTENT, one="t")]
        before = [await months.pages(wanted) for wanted in searches]
        await months.seal(MARCH)
        assert [await months.pages(wanted) for wanted in searches] == before
        scratch = months.sealer.scratch
        periods, every = await months.periods(), ByReplay()
        async with sealed_decisions(months.log, periods, every, scratch) as streams:
            assert sum(len(batch) for stream in streams for batch in stream) == 6


async def test_an_id_that_no_row_can_hold_keeps_no_month_open(months: Months) -> None:
    """No interface takes one any more; whatever is logged is sealed."""
    await months.record(decision(["\0"], at=LAUNCH), decision(["t", "u\0"], at=LAUNCH + 1))
    await months.seal(MARCH)
    for one, number in (("\0", 1), ("u\0", 1), ("u", 0)):
        assert len(await months.entries(Wanted(about=About.CONTENT, one=one))) == number


async def test_a_page_of_files_takes_a_bounded_time(months: Months) -> None:
    """Where looking takes long, pages are short or empty, and say where to go on."""
    rare = decision(["rare"], at=LAUNCH, run="rare")
    await months.record(rare, *(decision(["t"], at=LAUNCH + n * DAY) for n in range(1, 90, 9)))
    await months.seal()
    slow = SealedLog(months.log.files, months.folder, SlowClock(600_000))
    patient = await months.pages(Wanted(run="rare"))
    hurried = await replace(months, log=slow).pages(Wanted(run="rare"))
    slow.close()
    assert [len(page.entries) for page in patient] == [1]
    assert len(hurried) > len(patient)
    assert found(hurried) == found(patient) == [rare.decision_id]


def found(pages: list[FoundPage]) -> list[str]:
    """Return the names of what was found."""
    return [entry.place.decision_id for page in pages for entry in page.entries]


async def test_only_files_that_may_hold_it_are_opened(months: Months) -> None:
    """Others may be out of reach meanwhile."""
    await months.record(
        *(decision([track], at=LAUNCH + n * 31 * DAY) for n, track in enumerate(TRACKS[:3]))
    )
    await months.seal()
    for path in months.folder.glob("2026-04/*"):
        path.unlink()
    assert len(await months.entries(Wanted(since=MAY.begins))) == 1
    assert len(await months.entries(Wanted(until=MARCH.ends))) == 1
    assert len(await months.entries(Wanted(about=About.CONTENT, one=TRACKS[0]))) == 1
    with pytest.raises(SealedUnreadable, match=r"2026-04/decisions-000.* is missing"):
        await months.entries(Wanted())


async def test_what_was_altered_is_not_answered_from(months: Months) -> None:
    """Whether it was before it was first read, or since."""
    await months.record(decision(["a"], run="r"))
    await months.seal()
    assert len(await months.entries(Wanted(run="r"))) == 1
    (path,) = months.folder.glob("2026-03/decisions-*")
    sound = path.read_bytes()
    path.write_bytes(sound[:200] + bytes([sound[200] ^ 1]) + sound[201:])
    with pytest.raises(SealedUnreadable, match="was altered"):
        await months.entries(Wanted(run="r"))


async def test_nobody_is_told_that_there_is_nothing_where_nobody_can_look(months: Months) -> None:
    """Without the setting, sealed months are said to be unreadable; the rest is found."""
    await months.record(decision(["a"]), decision(["a"], at=MAY.begins))
    await months.seal(MARCH)
    nowhere = SealedLog(None, months.folder, SlowClock(0))
    blind = replace(months, log=nowhere)
    assert len(await blind.entries(Wanted(since=MAY.begins))) == 1
    with pytest.raises(SealedUnreadable, match="FERMATA_SEALED_DECISIONS"):
        await blind.entries(Wanted())


async def test_files_in_a_bucket_are_copied_once(months: Months) -> None:
    """And copies that nobody has read for longest make room for others."""
    await months.record(decision(["a"]), decision(["a"], at=APRIL.begins))
    await months.seal()
    copies = months.folder.parent / "bucket-copies"
    remote = SealedFiles(str(months.folder), copies, most_bytes=1)
    remote.objects.folder = None  # as if it could not be read where it is
    log = SealedLog(remote, months.folder, SlowClock(0))
    distant = replace(months, log=log)
    for wanted in (Wanted(until=MARCH.ends), Wanted(since=APRIL.begins), Wanted(until=MARCH.ends)):
        assert len(await distant.entries(wanted)) == 1
        assert len(list(copies.iterdir())) == 1, "there is room for no more"
    roomy = SealedFiles(str(months.folder), copies, most_bytes=1 << 20)
    roomy.objects.folder = None
    both = replace(months, log=SealedLog(roomy, months.folder, SlowClock(0)))
    assert len(await both.entries(Wanted())) == 2
    for path in months.folder.glob("*/*"):
        path.unlink()
    assert len(await both.entries(Wanted())) == 2
    for one in (log, both.log):
        one.close()
