"""`POST /v1/checks`: what is asked, what is answered, in which order and shape."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import pytest

from service.domain.instant import parse_instant
from tests.api.people import PIPELINE, PLATFORM, person
from tests.api.story import MUSIC, RECOMMENDATION, Story

KEYS: Final = {
    "content",
    "permitted",
    "reason",
    "policy_version",
    "permitted_from",
    "valid_until",
}
LONGEST: Final = "ä" * 200
MOST: Final = 100_000


async def ask(story: Story, **body: Any) -> Any:
    """Ask anything, whether or not it can be answered."""
    return await story.door.ask("POST", "/v1/checks", {"use": RECOMMENDATION} | body, by=PIPELINE)


async def refused(story: Story, **body: Any) -> str:
    """Ask what has to be refused; return the field that the first error names."""
    response = await ask(story, **body)
    assert response.status_code == 422, response.text[:1_000]
    field: str = response.json()["errors"][0]["field"]
    return field


async def test_an_answer_says_what_was_asked_and_when_it_was_judged(begun: Story) -> None:
    """The decision's id, the revision, the ledger's time, the column, and a result for each."""
    put = await begun.put("new", "ana")
    answer = await begun.check(RECOMMENDATION, "song")
    assert answer.keys() == {
        "decision_id",
        "revision",
        "evaluated_at",
        "use",
        "recipient",
        "results",
    }
    assert answer["revision"] == put["revision"]
    assert (answer["use"], answer["recipient"]) == (RECOMMENDATION, "internal")
    (result,) = answer["results"]
    assert result.keys() == KEYS
    artist = await begun.door.done("GET", "/v1/artists/ana", by=PLATFORM)
    assert result == {
        "content": "song",
        "permitted": True,
        "reason": "window_closed",
        "policy_version": 1,
        "permitted_from": artist["registered_at"],
        "valid_until": None,
    }


async def test_each_decision_has_an_id_of_its_own(begun: Story) -> None:
    """Asking the same again is another decision."""
    answers = await asyncio.gather(*(begun.check(RECOMMENDATION, "song") for _ in range(20)))
    assert len({answer["decision_id"] for answer in answers}) == 20


async def test_results_come_in_the_order_asked(begun: Story) -> None:
    """Repeated and unknown ones too: a caller may zip the answer with the question."""
    await begun.say("ben", "opt_out")
    asked = ["tune", "song", "nowhere", "duet", "song", "tune"]
    results = (await begun.check(RECOMMENDATION, *asked))["results"]
    assert [result["content"] for result in results] == asked
    assert [result["permitted"] for result in results] == [False, True, False, False, True, False]


async def test_columns_say_the_same_as_objects(begun: Story) -> None:
    """`"shape": "columns"` is the same answer in parallel arrays, explanations too."""
    await begun.say("ben", "opt_out")
    asked = ("tune", "song", "nowhere", "duet")
    at_least = {"at_least": await begun.revision()}
    more: dict[str, Any] = {"explain": True, "consistency": at_least}
    objects = (await begun.check(RECOMMENDATION, *asked, **more))["results"]
    columns = (await begun.check(RECOMMENDATION, *asked, **more, shape="columns"))["results"]
    assert columns.keys() == KEYS | {"explanation"}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert rows == objects


async def test_artists_themselves_can_be_asked_about(begun: Story) -> None:
    """A voice likeness belongs to no track: `artists` takes the place of `content`."""
    await begun.say("ana", "opt_out")
    await begun.say("ben", "opt_out", content="tune")
    response = await ask(begun, artists=["ben", "ana", "nobody"])
    results = response.json()["results"]
    assert [result["artist"] for result in results] == ["ben", "ana", "nobody"]
    assert [result["reason"] for result in results] == [
        "window_closed",
        "opted_out",
        "unknown_artist",
    ]
    assert all(result.keys() == KEYS - {"content"} | {"artist"} for result in results)
    columns = (await ask(begun, artists=["ben"], shape="columns")).json()["results"]
    assert columns["artist"] == ["ben"]
    assert "content" not in columns


REFUSED: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({}, "content"),
    ({"content": ["song"], "artists": ["ana"]}, "content"),
    ({"content": []}, "content"),
    ({"artists": []}, "artists"),
    ({"content": "song"}, "content"),
    ({"content": ["song", 7]}, "content[1]"),
    ({"content": [""]}, "content[0]"),
    ({"content": ["song"], "use": ""}, "use"),
    ({"content": ["song"], "use": None}, "use"),
    ({"content": ["song"], "use": "x" * 201}, "use"),
    ({"content": ["song"], "recipient": ""}, "recipient"),
    ({"content": ["song"], "explain": "yes"}, "explain"),
    ({"content": ["song"], "shape": "rows"}, "shape"),
    ({"content": ["song"], "min_policy_version": 0}, "min_policy_version"),
    ({"content": ["song"], "min_policy_version": 2**31}, "min_policy_version"),
    ({"content": ["song"], "consistency": "weak"}, "consistency"),
    ({"content": ["song"], "consistency": {}}, "consistency"),
    (
        {"content": ["song"], "consistency": {"at_least": 1, "max_staleness_ms": 1}},
        "consistency",
    ),
    ({"content": ["song"], "consistency": {"at_least": -1}}, "consistency.at_least"),
    (
        {"content": ["song"], "consistency": {"max_staleness_ms": 86_400_001}},
        "consistency.max_staleness_ms",
    ),
    ({"content": ["song"], "at": "yesterday"}, "at"),
    ({"content": ["song"], "at": "2026-03-01T00:00:00"}, "at"),
    ({"content": ["song"], "at": "9999-12-31T23:59:59-01:00"}, "at"),
    ({"content": ["song"], "at": "0001-01-01T00:00:00Z"}, "at"),
    ({"content": ["song"], "typo": 1}, "typo"),
    ({"content": ["song"], "run": ""}, "run"),
    ({"content": ["song"], "run": "x" * 201}, "run"),
    ({"content": ["song"], "run": "a\0"}, "run"),
    ({"content": ["song", "so\0ng"]}, "content[1]"),
    ({"content": ["song"], "use": "a\0"}, "use"),
    ({"content": ["song"], "recipient": "\0"}, "recipient"),
    ({"artists": ["\0"]}, "artists[0]"),
)


async def test_what_cannot_be_meant_is_refused_by_field(
    begun: Story, subtests: pytest.Subtests
) -> None:
    """A check that is not understood is no check: it is refused, and says where."""
    for body, field in REFUSED:
        with subtests.test(body=body):
            assert await refused(begun, **body) == field


async def test_ids_may_have_two_hundred_characters(begun: Story) -> None:
    """Characters, not bytes; one more is refused."""
    await begun.put(LONGEST, "ana")
    await begun.register(LONGEST)
    assert await begun.reasons(RECOMMENDATION, LONGEST) == ["window_closed"]
    assert (await ask(begun, artists=[LONGEST])).json()["results"][0]["permitted"]
    assert await refused(begun, content=[LONGEST + "ä"]) == "content[0]"
    assert await refused(begun, artists=[LONGEST + "ä"]) == "artists[0]"


async def test_a_backslash_that_spells_a_nul_is_just_text(begun: Story) -> None:
    """The six characters are an id like any other; the character they name is not."""
    name = r"\u0000"
    await begun.put(name, "ana")
    assert await begun.reasons(RECOMMENDATION, name) == ["window_closed"]


async def test_a_hundred_thousand_are_answered_and_one_more_is_refused(begun: Story) -> None:
    """One request takes up to 100,000 content or artists, all at one revision."""
    await begun.say("ben", "opt_out")
    asked = [("song", "tune", f"none-{n}")[n % 3] for n in range(MOST)]
    results = (await begun.check(RECOMMENDATION, *asked))["results"]
    # `all`, since what is different is found by hand: pytest would show two lists of this length
    reasons = ("window_closed", "opted_out", "unknown_content")
    assert all(result["content"] == one for result, one in zip(results, asked, strict=True))
    assert all(result["reason"] == reasons[n % 3] for n, result in enumerate(results))
    columns = (await begun.check(RECOMMENDATION, *asked, shape="columns"))["results"]
    assert columns.keys() == KEYS
    assert all(
        tuple(result.values()) == row
        for result, row in zip(results, zip(*columns.values(), strict=True), strict=True)
    )
    assert await refused(begun, content=[*asked, "song"]) == "content"
    assert await refused(begun, artists=["ana"] * (MOST + 1)) == "artists"


async def test_the_least_version_holds_back_whom_it_does_not_bind_yet(begun: Story) -> None:
    """`min_policy_version` is for a pipeline that acts under a version's new terms."""
    await begun.register("eve", "joy", "kim")
    for artist in ("eve", "joy", "kim"):
        await begun.put(f"{artist}s", artist)
    tracks = ("song", "tune", "eves", "joys", "kims")
    await begun.publish(RECOMMENDATION, "opt_out", texts={"en": "More than we said."})
    await begun.deliver(f"{RECOMMENDATION}:2", "ana", "joy")
    await begun.door.advance(timedelta(days=30))
    await begun.deliver(f"{RECOMMENDATION}:2", "ben")
    await begun.say("joy", "opt_out")
    await begun.say("kim", "opt_in")
    assert await begun.reasons(RECOMMENDATION, *tracks) == [
        *["window_closed"] * 3,
        "opted_out",
        "opted_in",
    ]
    held = await begun.check(RECOMMENDATION, *tracks, min_policy_version=2, explain=True)
    assert [(one["reason"], one["policy_version"]) for one in held["results"]] == [
        ("window_closed", 2),
        ("window_open", 1),
        ("not_notified", 1),
        ("opted_out", 2),
        ("opted_in", 2),
    ]
    window = held["results"][1]["explanation"]["rightsholders"][0]["windows"][0]
    assert held["results"][1]["permitted_from"] == window["closes_at"]
    unborn = await begun.reasons(RECOMMENDATION, *tracks, min_policy_version=3)
    assert unborn == ["not_notified"] * 3 + ["opted_out", "not_notified"]


async def test_the_recipient_is_part_of_the_question(begun: Story) -> None:
    """Another company is another column; unless said otherwise it is `internal`."""
    reasons = await begun.reasons(RECOMMENDATION, "song", recipient="partner:musiio")
    assert reasons == ["recipient_not_listed"]
    assert await begun.reasons(RECOMMENDATION, "song", recipient="internal") == ["window_closed"]


async def test_the_judgement_is_at_the_ledgers_time(begun: Story) -> None:
    """Not at this replica's: its wall clock runs behind here, as far as is tolerated."""
    begun.door.clock.apart = -4_000_000
    said = await begun.say("ana", "opt_in", MUSIC)
    answer = await begun.check(MUSIC, "song")
    assert answer["results"][0]["permitted"]
    assert answer["evaluated_at"] > said["recorded_at"]
    assert begun.door.clock.now() < parse_instant(said["recorded_at"])


async def test_no_reader_sees_a_permit_after_a_no_has_returned(begun: Story) -> None:
    """Readers never stop asking while the no is written; those that start later are denied."""
    over = asyncio.Event()

    async def read() -> list[tuple[bool, bool]]:
        seen: list[tuple[bool, bool]] = []
        while len(seen) < 5 or not over.is_set() or not seen[-1][0]:
            later = over.is_set()
            answer = await begun.check(RECOMMENDATION, "song")
            seen.append((later, answer["results"][0]["permitted"]))
        return seen

    readers = [asyncio.create_task(read()) for _ in range(8)]
    await begun.check(RECOMMENDATION, "song")
    await begun.say("ana", "opt_out", by=person("ana"))
    over.set()
    for reader in readers:
        seen = await reader
        assert not any(permitted for later, permitted in seen if later)


async def test_checks_are_counted_by_reason(begun: Story) -> None:
    """Operators see how many were asked and what was answered."""
    await begun.check(RECOMMENDATION, "song", "tune", "nowhere")
    text = (await begun.door.ask("GET", "/metrics")).text
    assert "fermata_checks_total 1.0" in text
    assert 'fermata_check_results_total{reason="window_closed"} 2.0' in text
    assert 'fermata_check_results_total{reason="unknown_content"} 1.0' in text
