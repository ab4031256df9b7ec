"""The public summary: what is known is filled in, what is not is left, and nobody can be told."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from service.domain.refusal import Refused
from service.evidence.eu_summary import NAME
from tests.api.story import ONLY_ASKS, RECOMMENDATION
from tests.evidence.shapes import EU_SUMMARY
from tests.evidence.tale import ALONE, FRAUD, Tale

pytestmark = ONLY_ASKS

SMALL = {"artists": None, "withheld": "fewer than 10 artists"}


def fields(document: dict[str, Any]) -> dict[str, str | None]:
    """Return what Fermata says in each field."""
    return {
        field["key"]: field["fermata"]
        for section in document["sections"]
        for field in section["fields"]
    }


async def test_what_was_permitted_is_counted_by_ground_and_version(tale: Tale) -> None:
    """With the mode of that version; the total is at least what is given."""
    figures = (await tale.document(NAME, await tale.now()))["figures"]
    assert figures["permitted"]["groups"] == [
        {
            "ground": "opted_in",
            "policy_version": 1,
            "mode": "opt_in",
            "artists": 13,
            "content": 14,
            "withheld": None,
        },
        {
            "ground": "artist_erased",
            "policy_version": None,
            "mode": None,
            "content": None,
            **SMALL,
        },
        {
            "ground": "window_closed",
            "policy_version": 2,
            "mode": "opt_out",
            "artists": 12,
            "content": 13,
            "withheld": None,
        },
    ]
    assert figures["permitted"]["total"] == {
        "artists": 24,  # `yes-01` is in both groups
        "content": 27,
        "withheld": None,
        "at_least": True,
    }


async def test_what_was_kept_out_is_counted_by_its_last_reason(tale: Tale) -> None:
    """Content that nobody has put is nobody's, so it is given."""
    denied = (await tale.document(NAME, await tale.now()))["figures"]["not_permitted"]
    assert denied["groups"] == [
        *(
            {"reason": reason, "content": None, **SMALL}
            for reason in ("content_disputed", "no_opt_in", "opted_out")
        ),
        {"reason": "unknown_content", "artists": 0, "content": 1, "withheld": None},
    ]
    assert denied["total"] == {"artists": 0, "content": 1, "withheld": None, "at_least": True}


async def test_it_says_how_rightsholders_were_told(tale: Tale) -> None:
    """Each version: its languages, when it was announced, whose window has closed."""
    first, second = (await tale.document(NAME, await tale.now()))["figures"]["versions"]
    assert (first["version"], first["mode"], first["launch_terms"]) == (1, "opt_in", True)
    assert (second["version"], second["mode"], second["launch_terms"]) == (2, "opt_out", False)
    assert second["languages"] == ["de", "en"]
    assert second["notice_period"] == "P30D"
    assert second["channels"] == ["email"]
    assert second["announced"] == second["published"]
    assert second["window_closed"] == {"artists": 12, "withheld": None}
    assert (second["window_running"], second["came_back"]) == (SMALL, SMALL)
    assert second["reached"] == {"artists": 12, "withheld": None, "at_least": True}


async def test_it_says_whose_own_words_hold(tale: Tale) -> None:
    """As of the moment it was asked for: one yes has become a no since, one silence a yes."""
    words = (await tale.document(NAME, await tale.now()))["figures"]["own_words"]
    assert words == {"no": SMALL, "yes": {"artists": 12, "withheld": None}}


async def test_what_cannot_be_known_is_left_to_the_provider(tale: Tale) -> None:
    """No field is answered; Fermata says something in a few, of what it has seen alone."""
    document = await tale.document(NAME, await tale.now())
    said = fields(document)
    assert {key for key, text in said.items() if text} == {
        "data.latest_acquisition",
        "user.services",
        "user.description",
        "reservation.measures",
        "illegal.measures",
        "processing.other",
    }
    assert "4 times" in str(said["user.services"])
    assert "at least 27 content of 24 artists" in str(said["user.services"])
    folder = await tale.write(NAME, await tale.now())
    page = (folder / f"{NAME}.html").read_text("utf-8")
    assert page.count("To be completed by the provider") == len(said)


async def test_for_a_partner_the_platform_is_a_third_party(tale: Tale) -> None:
    """What the platform's artists put there is none of the partner's users' data."""
    partner = replace(await tale.now(), recipient="partner:pex")
    said = fields(await tale.document(NAME, partner))
    assert said["user.services"] is None
    assert "No pipeline has asked" in str(said["private.used"])
    assert said["data.latest_acquisition"] is None


async def test_few_artists_content_has_no_days(tale: Tale) -> None:
    """A run about two songs: when they were registered is as much theirs as how many they are."""
    figures = (await tale.document(NAME, replace(await tale.now(), run="r2")))["figures"]
    assert figures["permitted"]["total"]["artists"] is None
    assert figures["registered"] == {"first": None, "last": None}


async def test_nobody_is_in_it(tale: Tale) -> None:
    """No artist's id, no reference, no content, no title, no decision."""
    async with tale.door.services.database.read() as session:
        connection = await session.connection()
        found = await connection.exec_driver_sql("SELECT subject FROM artists")
        subjects = [row.subject for row in found]
    folder = await tale.write(NAME, await tale.now())
    for path in folder.iterdir():
        text = path.read_text("utf-8")
        secrets = [*ALONE, "said-so", *subjects, "HYPERLINK", "dec_", "song"]
        assert not [one for one in secrets if one in text], path


async def test_its_shape_is_the_one_that_is_promised(tale: Tale) -> None:
    """Every name and no other, whatever there is to say."""
    wanted = await tale.now()
    for changed in (
        wanted,
        replace(wanted, run="r2", since=1, until=wanted.as_of),
        replace(wanted, use=FRAUD),
        replace(wanted, use=RECOMMENDATION),
        replace(wanted, recipient="partner:pex"),
    ):
        jsonschema.validate(await tale.document(NAME, changed), EU_SUMMARY)


async def test_it_is_the_same_whenever_the_same_is_asked_for(tale: Tale) -> None:
    """Byte for byte, so that two can be compared."""
    wanted = await tale.now()
    first, second = await tale.write(NAME, wanted), await tale.write(NAME, wanted)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


async def test_a_run_that_nobody_names_is_refused(tale: Tale) -> None:
    """And it says what to do."""
    with pytest.raises(Refused, match="name it as the pipeline did"):
        await tale.write(NAME, replace(await tale.now(), run="r9"))
