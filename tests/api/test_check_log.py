"""No answer leaves before it is durably logged, and none that could not be."""

import asyncio
from typing import Final

import pytest

from service.domain.instant import parse_instant, to_instant
from tests.api.door import connected, lock_awaited
from tests.api.logged import logged
from tests.api.people import AUDITING_PIPELINE, PIPELINE, PLATFORM, person
from tests.api.story import MUSIC, RECOMMENDATION, Story

QUESTION: Final = {"use": RECOMMENDATION, "content": ["song"]}


def _instant(text: str | None) -> int | None:
    return None if text is None else parse_instant(text)


async def test_an_answer_is_in_the_log_with_its_outcomes(begun: Story) -> None:
    """Who asked what, at which revision and instant, and every outcome in the order asked."""
    await begun.say("ben", "opt_out")
    answer = await begun.check(RECOMMENDATION, "tune", "song", "nowhere", "song")
    (row,) = await logged(begun.door)
    assert row["decision_id"] == answer["decision_id"]
    assert row["revision"] == answer["revision"]
    assert to_instant(row["evaluated_at"]) == parse_instant(answer["evaluated_at"])
    assert row["answered_at"] >= row["evaluated_at"]
    assert row["caller"] == PIPELINE.subject
    assert PIPELINE.client_id in row["client"]
    assert row["request"] == {
        "use": RECOMMENDATION,
        "recipient": "internal",
        "about": "content",
        "consistency": "strong",
        "min_policy_version": None,
        "at": None,
        "explain": False,
    }
    assert row["outcomes"] == [
        [
            result["content"],
            result["reason"],
            result["policy_version"],
            _instant(result["permitted_from"]),
            _instant(result["valid_until"]),
        ]
        for result in answer["results"]
    ]


async def test_the_request_is_logged_as_it_was_made(begun: Story) -> None:
    """Consistency, least version, instant and explanation are part of what was asked."""
    at = "2126-03-01T00:00:00Z"
    body = {"use": MUSIC, "recipient": "partner:x", "content": ["song"], "explain": True}
    body |= {"min_policy_version": 3, "at": at, "consistency": {"max_staleness_ms": 1_500}}
    await begun.door.done("POST", "/v1/checks", body, by=AUDITING_PIPELINE)
    at_least = {"at_least": await begun.revision()}
    await begun.check(MUSIC, "song", consistency=at_least)
    first, second = [row["request"] for row in await logged(begun.door)]
    assert first == {
        "use": MUSIC,
        "recipient": "partner:x",
        "about": "content",
        "consistency": {"max_staleness_ms": 1_500},
        "min_policy_version": 3,
        "at": "2126-03-01T00:00:00.000000Z",
        "explain": True,
    }
    assert second["consistency"] == at_least


async def test_artists_are_logged_by_reference(begun: Story) -> None:
    """The log is never edited, so that an artist's own id must not get into it."""
    body = {"use": RECOMMENDATION, "artists": ["ana", "nobody", "ben"]}
    await begun.door.done("POST", "/v1/checks", body, by=PIPELINE)
    (row,) = await logged(begun.door)
    assert row["request"]["about"] == "artists"
    async with connected(begun.door.database_url) as connection:
        subjects = dict(await connection.fetch("SELECT artist_id, subject FROM artists"))
    assert [outcome[0] for outcome in row["outcomes"]] == [
        subjects["ana"],
        "unknown",
        subjects["ben"],
    ]


async def test_each_of_many_answers_is_logged(begun: Story) -> None:
    """Also those that one commit takes together."""
    answers = await asyncio.gather(*(begun.check(RECOMMENDATION, "song") for _ in range(100)))
    rows = await logged(begun.door)
    assert {row["decision_id"] for row in rows} == {answer["decision_id"] for answer in answers}
    assert len(rows) == 100


async def test_a_refused_check_is_no_decision(begun: Story) -> None:
    """Nothing was answered, so nothing is logged."""
    for body, by in (
        ({"use": RECOMMENDATION}, PIPELINE),
        (QUESTION, PLATFORM),
        (QUESTION, person("ana")),
        (QUESTION, None),
        (QUESTION | {"at": "2026-01-01T00:00:00Z"}, PIPELINE),
    ):
        assert (await begun.door.ask("POST", "/v1/checks", body, by=by)).status_code >= 400
    assert await logged(begun.door) == []


async def test_the_answer_waits_for_the_log(begun: Story) -> None:
    """While the log cannot be written, nothing is answered; when it can, the answer is in it."""
    door = begun.door
    async with connected(door.database_url) as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            asked = asyncio.create_task(door.ask("POST", "/v1/checks", QUESTION, by=PIPELINE))
            await lock_awaited(door.database_url)
            assert not asked.done()
        response = await asked
    assert response.status_code == 200
    assert [row["decision_id"] for row in await logged(door)] == [response.json()["decision_id"]]


@pytest.mark.parametrize(
    ("fault", "repair"),
    [
        ("ALTER TABLE decisions RENAME TO gone", "ALTER TABLE gone RENAME TO decisions"),
        (
            "ALTER TABLE decisions ADD CONSTRAINT full CHECK (false) NOT VALID",
            'ALTER TABLE decisions DROP CONSTRAINT "full"',
        ),
    ],
    ids=["unreachable", "refusing"],
)
async def test_what_cannot_be_logged_is_not_answered(begun: Story, fault: str, repair: str) -> None:
    """503 without any result, for a permit and for a denial; afterwards it goes on by itself."""
    door = begun.door
    fault = fault.replace("full CHECK", '"full" CHECK')
    async with connected(door.database_url) as connection:
        await connection.execute(fault)
        for use in (RECOMMENDATION, MUSIC):
            body = QUESTION | {"use": use}
            response = await door.ask("POST", "/v1/checks", body, by=PIPELINE)
            assert response.status_code == 503
            assert response.json()["type"] == "urn:fermata:problem:cannot-know"
            assert response.headers["retry-after"] == "1"
            assert "results" not in response.json()
        await connection.execute(repair)
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]
    assert len(await logged(door)) == 1


async def test_a_lost_connection_of_the_log_permits_nothing_unlogged(begun: Story) -> None:
    """Its backend is terminated between two checks: whatever is answered 200 is in the log."""
    door = begun.door
    given = []
    for _ in range(5):
        async with connected(door.database_url) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        answers = [await door.ask("POST", "/v1/checks", QUESTION, by=PIPELINE) for _ in range(4)]
        assert {answer.status_code for answer in answers} <= {200, 503}
        given += [a.json()["decision_id"] for a in answers if a.status_code == 200]
    assert given
    assert {row["decision_id"] for row in await logged(door)} >= set(given)
