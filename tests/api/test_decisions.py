"""`GET /v1/decisions`: what compliance finds out about what was answered."""

from datetime import timedelta
from typing import Any, Final

import pytest

from service.auth.scopes import Scope
from service.domain.instant import format_instant, parse_instant
from tests.api.door import Door, connected
from tests.api.people import AUDITOR, PIPELINE, machine
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, Story

SERVING: Final = machine("serving", Scope.CHECK)


async def decisions(door: Door, **wanted: Any) -> list[dict[str, Any]]:
    """Return every decision that is wanted, page by page."""
    found: list[dict[str, Any]] = []
    query, cursor = "&".join(f"{name}={value}" for name, value in wanted.items()), ""
    while True:
        page = await door.done("GET", f"/v1/decisions?{query}{cursor}", by=AUDITOR)
        found += page["decisions"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def ids(door: Door, **wanted: Any) -> list[str]:
    """Return the ids of every decision that is wanted."""
    return [one["decision_id"] for one in await decisions(door, **wanted)]


async def whole(door: Door, decision: str, query: str = "") -> dict[str, Any]:
    """Return one decision with its answers."""
    read: dict[str, Any] = await door.done("GET", f"/v1/decisions/{decision}{query}", by=AUDITOR)
    return read


async def test_a_decision_is_read_as_it_was_answered(begun: Story) -> None:
    """Every answer in the order asked, to the same words and instants."""
    await begun.say("ben", "opt_out")
    answer = await begun.check(RECOMMENDATION, "tune", "song", "nowhere", "song")
    read = await whole(begun.door, answer["decision_id"])
    assert read["next_start"] is None
    assert [
        {name: value for name, value in one.items() if name != "artist"} for one in read["results"]
    ] == answer["results"]
    for name in ("decision_id", "revision", "evaluated_at", "use", "recipient"):
        assert read[name] == answer[name]
    assert (read["client"], read["caller"]) == (PIPELINE.client_id, PIPELINE.subject)
    assert (read["about"], read["number"], read["interface"]) == ("content", 4, "checks")
    assert read["reasons"] == {"opted_out": 1, "unknown_content": 1, "window_closed": 2}
    assert (read["consistency"], read["explain"], read["at"]) == ("strong", False, None)


async def test_what_is_long_is_read_in_parts(begun: Story) -> None:
    """`next_start` says where to go on."""
    asked = [f"track-{n}" for n in range(2_500)]
    answer = await begun.check(RECOMMENDATION, *asked)
    read: list[str] = []
    start: int | None = 0
    while start is not None:
        part = await whole(begun.door, answer["decision_id"], f"?start={start}&limit=1000")
        assert part["number"] == 2_500
        read += [one["content"] for one in part["results"]]
        start = part["next_start"]
    assert read == asked


async def test_decisions_are_found_by_what_they_were_about(begun: Story) -> None:
    """Alone or among many; newest first, each with the answer about what was looked for."""
    one = await begun.check(RECOMMENDATION, "song")
    many = await begun.check(RECOMMENDATION, "tune", "song")
    await begun.check(RECOMMENDATION, "tune")
    found = await decisions(begun.door, content="song")
    assert [each["decision_id"] for each in found] == [many["decision_id"], one["decision_id"]]
    assert [each["result"]["content"] for each in found] == ["song", "song"]
    assert [each["result"]["permitted_from"] for each in found] == [
        one["results"][0]["permitted_from"]
    ] * 2
    assert await ids(begun.door, content="son") == []


async def test_decisions_are_found_by_everything_else(begun: Story) -> None:
    """By client, pipeline, run, use, recipient, outcome, reason and time, and by all together."""
    door = begun.door
    first = (await begun.check(RECOMMENDATION, "song"))["decision_id"]
    await door.advance(timedelta(days=40))
    second = (await begun.check(MUSIC, "song", "tune", by=SERVING))["decision_id"]
    third = (await begun.check(RECOMMENDATION, "song", recipient="partner:x"))["decision_id"]
    run = {"run": "nightly-7"}
    access = {
        "subject": {"type": "pipeline", "id": "embeddings"},
        "action": {"name": RECOMMENDATION},
        "resource": {"type": "track", "id": "song"},
        "context": run,
    }
    answered = await door.done("POST", "/access/v1/evaluation", access, by=PIPELINE)
    fourth = answered["context"]["decision_id"]
    assert await ids(door) == [fourth, third, second, first]
    assert await ids(door, limit=1) == [fourth, third, second, first]
    assert await ids(door, client="serving") == [second]
    assert await ids(door, run="nightly-7") == [fourth]
    assert await ids(door, job="embeddings") == [fourth]
    assert await ids(door, job="embeddings", client="pipeline") == [fourth]
    assert await ids(door, job="embeddings", client="serving") == []
    assert await ids(door, job="pipeline") == []
    assert await ids(door, use=RECOMMENDATION) == [fourth, third, first]
    assert await ids(door, recipient="partner:x") == [third]
    assert await ids(door, outcome="denied") == [third, second]
    assert await ids(door, outcome="permitted", content="song") == [fourth, first]
    assert await ids(door, reason="no_opt_in") == [second]
    (newest, *_, oldest) = await decisions(door)
    assert (newest["job"], newest["run"], newest["interface"]) == (
        "embeddings",
        "nightly-7",
        "authzen",
    )
    later = format_instant(parse_instant(oldest["answered_at"]) + 1)
    assert await ids(door, **{"from": later}) == [fourth, third, second]
    assert await ids(door, to=later) == [first]
    assert await ids(door, **{"from": later, "to": newest["answered_at"]}) == [third, second]
    assert await ids(door, content="song", use=RECOMMENDATION, client="pipeline", to=later) == [
        first
    ]


async def test_artists_are_found_by_their_own_id(begun: Story) -> None:
    """The log knows only their reference."""
    body = {"use": RECOMMENDATION, "artists": ["ana", "nobody"]}
    answer = await begun.door.done("POST", "/v1/checks", body, by=PIPELINE)
    await begun.check(RECOMMENDATION, "tune")
    (found,) = await decisions(begun.door, artist="ana")
    assert found["decision_id"] == answer["decision_id"]
    assert (found["result"]["artist"], found["result"]["content"]) == ("ana", None)
    read = await whole(begun.door, answer["decision_id"])
    assert [one["artist"] for one in read["results"]] == ["ana", None]
    assert [one["reason"] for one in read["results"]] == ["window_closed", "unknown_artist"]


async def test_an_artist_s_are_those_about_what_they_held_then(begun: Story) -> None:
    """By the revision of each decision: before it was theirs, and once it was sold, it is not."""
    for holder in ("ben", "ana", "ben"):
        await begun.put("sold", holder)
        await begun.check(RECOMMENDATION, "sold")
        await begun.check(RECOMMENDATION, "nothing", "sold", "song", "tune")
    theirs = [
        (one["number"], one["result"]["content"])
        for one in await decisions(begun.door, artist="ana")
    ]
    assert theirs == [(4, "song"), (4, "sold"), (1, "sold"), (4, "song")]
    denied = await decisions(begun.door, artist="ana", outcome="denied")
    assert denied == [], "what is denied in these was never theirs"


async def test_an_artist_of_too_much_is_refused(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left out quietly: an export has the time."""
    monkeypatch.setattr("service.api.decisions.MOST_STRETCHES", 1)
    answer = await begun.door.ask("GET", "/v1/decisions?artist=ana", by=AUDITOR)
    refused(answer, 422, "too_much_content", "artist")


async def test_an_erased_artists_decisions_lead_to_nobody(begun: Story) -> None:
    """They stay, and name nobody; nobody is found by the id that was theirs."""
    body = {"use": RECOMMENDATION, "artists": ["ana"]}
    answer = await begun.door.done("POST", "/v1/checks", body, by=PIPELINE)
    async with connected(begun.door.database_url) as connection:
        subject = await connection.fetchval("SELECT subject FROM artists WHERE artist_id = 'ana'")
        await connection.execute("UPDATE artists SET artist_id = NULL WHERE subject = $1", subject)
    read = await begun.door.ask("GET", f"/v1/decisions/{answer['decision_id']}", by=AUDITOR)
    assert read.json()["results"][0]["artist"] is None
    listed = await begun.door.ask("GET", "/v1/decisions", by=AUDITOR)
    assert listed.json()["decisions"][0]["result"]["artist"] is None
    assert subject not in read.text + listed.text
    refused(
        await begun.door.ask("GET", "/v1/decisions?artist=ana", by=AUDITOR),
        404,
        "unknown_artist",
        "artist",
    )


async def test_looking_leaves_nothing_behind(begun: Story) -> None:
    """An audit is no decision."""
    await begun.check(RECOMMENDATION, "song")
    for _ in range(2):
        assert len(await decisions(begun.door)) == 1


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("?content=song&artist=ana", 422, "content_or_artist", "artist"),
        ("?artist=nobody", 404, "unknown_artist", "artist"),
        ("?cursor=no", 422, "unknown_cursor", "cursor"),
        ("?cursor=%C3%BC", 422, "unknown_cursor", "cursor"),
        ("?cursor=ktP__________6A", 422, "unknown_cursor", "cursor"),
        ("?from=yesterday", 422, "value_error", "from"),
        ("?limit=1001", 422, "less_than_equal", "limit"),
        ("?tracks=song", 422, "extra_forbidden", "tracks"),
        ("?reason=love", 422, "enum", "reason"),
        ("/dec_" + 32 * "7", 404, "unknown_decision", "decision"),
        ("/dec_" + 32 * "4", 404, "unknown_decision", "decision"),
        ("/song", 422, "string_pattern_mismatch", "decision"),
    ],
)
async def test_what_cannot_be_looked_for_is_said(
    begun: Story, query: str, status: int, code: str, field: str
) -> None:
    """Which parameter, and what to do instead; a typo is never ignored."""
    await begun.check(RECOMMENDATION, "song")
    refused(await begun.door.ask("GET", f"/v1/decisions{query}", by=AUDITOR), status, code, field)
