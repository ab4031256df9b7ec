"""Whatever AuthZEN is answered is in the decision log first, as a native check would be."""

import asyncio
import json
from typing import Any, Final

import pytest

from service.domain.instant import parse_instant, to_instant
from tests.api.authzen.asking import (
    EVALUATION,
    EVALUATIONS,
    EVERY_PATH,
    MUSIIO,
    PIPE,
    USE,
    Pep,
    asking,
    track,
)
from tests.api.door import connected
from tests.api.logged import logged
from tests.api.people import PIPELINE
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story

ITEMS: Final = [{"resource": track(one)} for one in ("song", "gone", "duet")]


async def test_an_evaluation_is_logged_like_a_check(partnered: Story, pep: Pep) -> None:
    """Who asked what, on whose behalf, at which revision and instant, and the outcome."""
    context = {"run": "run-7", "consistency": {"max_staleness_ms": 0}, "min_policy_version": 1}
    answer = (await pep.decision("song", context=context))["context"]
    (row,) = await logged(pep.door)
    assert row["decision_id"] == answer["decision_id"]
    assert row["revision"] == answer["revision"]
    assert to_instant(row["evaluated_at"]) == parse_instant(answer["evaluated_at"])
    assert row["answered_at"] >= row["evaluated_at"]
    assert (row["client"], row["caller"]) == (PIPELINE.client_id, PIPELINE.subject)
    assert row["request"] == {
        "use": RECOMMENDATION,
        "recipient": "internal",
        "about": "content",
        "consistency": {"max_staleness_ms": 0},
        "min_policy_version": 1,
        "at": None,
        "explain": False,
        "interface": "authzen",
        "job": "nightly",
        "run": "run-7",
    }
    begun = parse_instant(answer["permitted_from"])
    assert row["outcomes"] == [["song", "window_closed", 1, begun, None]]


async def test_a_native_check_and_an_evaluation_log_the_same(partnered: Story, pep: Pep) -> None:
    """But for what AuthZEN says beside the question."""
    await partnered.check(RECOMMENDATION, "song", "gone", "duet")
    await pep.decisions(*ITEMS, subject=PIPE, action=USE)
    native, other = await logged(pep.door)
    assert native["outcomes"] == other["outcomes"]
    assert native["request"].items() <= other["request"].items()


async def test_evaluations_of_one_column_are_one_row(pep: Pep) -> None:
    """However many, with their outcomes in the order asked, and one look at the ledger's head."""
    heads = pep.door.services.heads
    read, asked = heads.read, 0

    async def counted() -> Any:
        nonlocal asked
        task = asyncio.current_task()
        asked += task is None or task.get_name() != "fermata-follower"
        return await read()

    object.__setattr__(heads, "read", counted)
    answers = await pep.decisions(*ITEMS * 100, {}, *ITEMS, subject=PIPE, action=USE)
    assert asked == 1  # the follower asks by itself as well
    (row,) = await logged(pep.door)
    assert {a["context"].get("decision_id") for a in answers} == {row["decision_id"], None}
    assert [outcome[0] for outcome in row["outcomes"]] == ["song", "gone", "duet"] * 101


async def test_each_column_has_a_row(pep: Pep) -> None:
    """Another use, recipient, kind of thing, job or wish: another row, and the id says which."""
    items = [
        {},
        {"action": {"name": MUSIC}},
        {"subject": MUSIIO},
        {"resource": {"type": "artist", "id": "ana"}},
        {"subject": PIPE | {"id": "weekly"}},
        {"context": {"run": "1"}},
        {"context": {"min_policy_version": 2}},
        {"context": {"consistency": {"at_least": 1}}},
        {},
    ]
    answers = await pep.decisions(*items, **asking("song"))
    ids = [answer["context"]["decision_id"] for answer in answers]
    assert len(set(ids)) == 8
    assert ids[0] == ids[-1]
    rows = {row["decision_id"]: row for row in await logged(pep.door)}
    assert rows.keys() == set(ids)
    assert len({row["revision"] for row in rows.values()}) == 1
    requests = [rows[one]["request"] for one in ids]
    assert requests[1]["use"] == MUSIC
    assert (requests[2]["recipient"], "job" in requests[2]) == ("partner:musiio", False)
    assert requests[4]["job"] == "weekly"
    assert requests[7]["consistency"] == {"at_least": 1}


async def test_what_was_not_reached_is_not_logged(pep: Pep) -> None:
    """An evaluation that stops early has answered only what it says."""
    stop = {"options": {"evaluations_semantic": "deny_on_first_deny"}}
    await pep.decisions(*ITEMS, subject=PIPE, action=USE, **stop)
    (row,) = await logged(pep.door)
    assert [outcome[0] for outcome in row["outcomes"]] == ["song", "gone"]


async def test_artists_are_logged_by_reference(pep: Pep) -> None:
    """The log is never edited, so an artist's own id must not get into it; nor a guess at one."""
    for kind, one in (("artist", "ana"), ("artist", "nobody"), ("musician", "ana")):
        await pep.decision("", resource={"type": kind, "id": one})
    await pep.search("resource", subject=PIPE, action=USE, resource={"type": "artist"})
    async with connected(pep.door.database_url) as connection:
        subjects = dict(await connection.fetch("SELECT artist_id, subject FROM artists"))
    rows = await logged(pep.door)
    assert [[outcome[0] for outcome in row["outcomes"]] for row in rows] == [
        [subjects["ana"]],
        ["unknown"],
        ["unknown"],
        [subjects["ana"], subjects["ben"]],
    ]


async def test_what_can_be_nothings_name_is_not_kept(pep: Pep) -> None:
    """Texts that PostgreSQL cannot hold, or that are too long, are denied and logged as unknown."""
    for odd in ("so\0ng", "x" * 100_000, ""):
        await pep.decision(odd)
        await pep.decision("song", action={"name": odd})
        await pep.decision("song", subject={"type": "pipeline", "id": odd})
        await pep.decision("song", subject={"type": "partner", "id": odd})
    rows = await logged(pep.door)
    assert len(rows) == 12
    assert all(len(json.dumps(row["request"])) < 1_000 for row in rows)
    assert sum(row["outcomes"][0][0] == "unknown" for row in rows) == 3


# Searches


async def test_what_a_search_gives_is_logged(partnered: Story, pep: Pep) -> None:
    """Each result is a permit that somebody may act on: a row for each column, a page at a time."""
    await partnered.say("ben", "opt_out", RECOMMENDATION)
    answer = await pep.search(
        "resource", subject=PIPE, action=USE, resource={"type": "track"}, context={"run": "7"}
    )
    (row,) = await logged(pep.door)
    assert [one["decision_id"] for one in answer["context"]["decisions"]] == [row["decision_id"]]
    assert [outcome[:2] for outcome in row["outcomes"]] == [["song", "window_closed"]]
    assert (row["revision"], row["request"]["run"]) == (answer["context"]["revision"], "7")


async def test_each_use_or_recipient_found_is_a_decision(partnered: Story, pep: Pep) -> None:
    """They are of several columns, so each has its own row and its own id."""
    await partnered.say("ana", "opt_in", VOICE)
    actions = await pep.search("action", subject=PIPE, resource=track("song"))
    subjects = await pep.search(
        "subject", subject={"type": "partner"}, action=USE, resource=track("song")
    )
    found = actions["context"]["decisions"] + subjects["context"]["decisions"]
    rows = {row["decision_id"]: row for row in await logged(pep.door)}
    assert [rows[one["decision_id"]]["request"]["use"] for one in found] == [
        RECOMMENDATION,
        VOICE,
        RECOMMENDATION,
    ]
    assert rows[found[-1]["decision_id"]]["request"]["recipient"] == "partner:musiio"


async def test_a_request_of_many_columns_is_logged_whole(pep: Pep) -> None:
    """More of them than are written in one go: each has its row, and each answer names its own."""
    items = [{"subject": {"type": "pipeline", "id": f"job-{n}"}} for n in range(600)]
    answer = await pep.answer(EVALUATIONS, asking("song") | {"evaluations": items})
    rows = {row["decision_id"]: row["job"] for row in await logged(pep.door)}
    named = [rows.pop(one["context"]["decision_id"]) for one in answer["evaluations"]]
    assert (named, rows) == ([f"job-{n}" for n in range(600)], {})


async def test_a_search_that_finds_nothing_grants_nothing(pep: Pep) -> None:
    """There is nothing to act on, and so no row."""
    nothing: dict[str, Any] = {
        "subject": MUSIIO,
        "action": {"name": MUSIC},
        "resource": {"type": "track"},
    }
    assert (await pep.search("resource", **nothing))["results"] == []
    assert await logged(pep.door) == []


# Failing closed


async def test_refused_requests_are_no_decisions(pep: Pep) -> None:
    """Nothing was answered, so nothing is logged; an evaluation that fails was not decided."""
    for path in EVERY_PATH:
        assert (await pep.send(path, {})).status_code == 400
        assert (await pep.door.http.post(path, json=asking("song"))).status_code == 401
    await pep.decisions({}, "x", {"resource": 7}, subject=PIPE)
    assert await logged(pep.door) == []


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_what_cannot_be_logged_is_not_answered(pep: Pep, path: str) -> None:
    """503 without any decision or result; afterwards it goes on by itself."""
    body = asking("song") | ({"evaluations": ITEMS} if path == EVALUATIONS else {})
    async with connected(pep.door.database_url) as connection:
        await connection.execute("ALTER TABLE decisions RENAME TO gone")
        response = await pep.send(path, body)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert not {"decision", "evaluations", "results"} & response.json().keys()
        await connection.execute("ALTER TABLE gone RENAME TO decisions")
    await pep.answer(path, body)


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_while_clocks_disagree_no_window_permits(pep: Pep, path: str) -> None:
    """503 instead of a permit that rests on time; a denial is still one."""
    pep.door.clock.apart = 3_600_000_000
    response = await pep.send(path, asking("song"))
    assert response.status_code == 503
    assert response.json()["type"] == "urn:fermata:problem:clocks-disagree"
    denied = await pep.decision("gone")
    assert denied["decision"] is False


async def test_a_revision_that_never_comes_is_no_permit(pep: Pep) -> None:
    """503 for one evaluation and for all of a request's: nobody knows that state."""
    never = {"context": {"consistency": {"at_least": 10**9}}}
    pep.door.services.checker._timeout = 0.05
    assert (await pep.send(EVALUATION, asking("song", **never))).status_code == 503
    many = {"subject": PIPE, "action": USE, "evaluations": [*ITEMS, ITEMS[0] | never]}
    assert (await pep.send(EVALUATIONS, many)).status_code == 503
    assert await logged(pep.door) == []


async def test_each_of_many_answers_is_logged(pep: Pep) -> None:
    """Also those that one commit takes together."""
    answers = await asyncio.gather(*(pep.decision("song") for _ in range(50)))
    assert {row["decision_id"] for row in await logged(pep.door)} == {
        answer["context"]["decision_id"] for answer in answers
    }


async def test_evaluations_are_counted(pep: Pep) -> None:
    """Operators see them among the checks, each result by its reason."""
    await pep.decisions(*ITEMS, subject=PIPE, action=USE)
    text = (await pep.door.http.get("/metrics")).text
    assert "fermata_checks_total 1.0" in text
    assert 'fermata_check_results_total{reason="window_closed"} 2.0' in text
