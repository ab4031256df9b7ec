"""Everything about one artist, and everything about one content."""

import pytest

from service.audit.finding import find
from service.audit.one_artist import dossier_of, dossier_of_erased
from service.audit.one_content import portrait_of
from service.db.engine import ReadSession
from service.decisions.log.entry import subject_of
from tests.api.story import MUSIC, VOICE
from tests.audit.history import ARTISTS, ISRC, ODD, TRACK


async def test_an_artist_has_it_all(reading: ReadSession) -> None:
    """What they said, what they were told, who acts for them, what is theirs."""
    found = await dossier_of(reading, ODD)
    assert found is not None
    assert [(one.answer, one.use, one.content) for one in found.records] == [
        ("opt_out", VOICE, TRACK),
        ("opt_in", MUSIC, None),
    ]
    told = {one.notice: one for one in found.told}
    assert told[f"{VOICE}:2"].bounced
    assert told[f"{VOICE}:2"].delivered_at is not None
    assert told["discovery.recommendation:2"].closes_at is None
    assert told["discovery.recommendation:2"].expected
    assert [one.delegate for one in found.delegates] == ["label"]
    assert [(one.content, one.shared) for one in found.contents] == [(TRACK, True)]
    assert found.content_total == 1
    assert found.erased_at is None


async def test_records_go_on_from_where_the_last_page_ended(reading: ReadSession) -> None:
    """By their revisions, newest first."""
    whole = await dossier_of(reading, ODD)
    assert whole is not None
    older = await dossier_of(reading, ODD, before=whole.records[0].revision)
    assert older is not None
    assert [one.revision for one in older.records] == [whole.records[1].revision]


async def test_nobody_is_found_by_a_stranger_s_id(reading: ReadSession) -> None:
    """Nor, while they have not been erased, by their reference."""
    subject = await subject_of(reading, ODD)
    assert subject is not None
    assert await dossier_of(reading, "nobody") is None
    assert await dossier_of(reading, subject) is None
    assert await dossier_of_erased(reading, subject) is None
    assert not (await find(reading, subject)).erased


async def test_a_content_has_it_all(reading: ReadSession) -> None:
    """Whose it is and was, and what was said about it alone."""
    found = await portrait_of(reading, TRACK)
    assert found is not None
    assert (found.title, found.isrc, found.now.status) == ("Night Bus", ISRC, "active")
    assert [found.artists[one] for one in found.now.rightsholders] == [ODD, ARTISTS[1]]
    assert [one.status for one in found.history] == ["active", "disputed", "active"]
    assert [found.artists[one] for one in found.history[-1].rightsholders] == [ODD, ARTISTS[0]]
    assert [(one.answer, found.artists[one.subject]) for one in found.records] == [("opt_out", ODD)]
    assert await portrait_of(reading, "nothing") is None


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        (ODD, {"artist"}),
        (TRACK, {"contents"}),
        (ISRC, {"contents"}),
        ("de-z99-00-00001", set()),
        ("DE-Z99-00-00001", {"contents"}),
        (f"{VOICE}:2", {"notice"}),
        ("1", {"revision"}),
        ("999999999", set()),
        ("nobody", set()),
        ("", set()),
        ("\0", set()),
        ("x" * 600, set()),
    ],
)
async def test_whatever_has_an_id_is_found_by_it(
    reading: ReadSession, wanted: str, kinds: set[str]
) -> None:
    """Exactly as it is written, but for an ISRC's hyphens and capitals."""
    found = await find(reading, wanted)
    names = ("artist", "erased", "contents", "notice", "export", "revision")
    there = {name for name in names if getattr(found, name)}
    assert there == (kinds or ({"contents"} if "z99" in wanted else set()))
