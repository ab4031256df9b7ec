"""The OpenID certification scenario, loaded through our own API: its Core levels, and Discovery.

The names of the tests are those of the scenario's sections. What it checks of properties (the
Properties levels) is not claimed: Fermata evaluates none.
"""

from typing import Any, Final

import pytest

from tests.api.authzen.asking import EVALUATION, EVALUATIONS, SEARCHES, Pep, without
from tests.api.story import Story

ALICE: Final = {"type": "user", "id": "alice"}
BOB: Final = {"type": "user", "id": "bob"}
READ: Final = {"name": "read"}
WRITE: Final = {"name": "write"}
RECORD_1: Final = {"type": "record", "id": "record-1"}
RECORD_2: Final = {"type": "record", "id": "record-2"}
PERMITTED: Final = {"subject": ALICE, "action": READ, "resource": RECORD_1}
DENIED: Final = {"subject": BOB, "action": WRITE, "resource": RECORD_1}
TIME: Final = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


@pytest.fixture
async def pep(story: Story) -> Pep:
    """Load the scenario's fixture: alice may read and write, bob may only read."""
    await story.open_charter()
    await story.publish("read", "open", "user:alice", "user:bob")
    await story.publish("write", "open", "user:alice")
    await story.publish("delete", "opt_in", "user:alice")
    await story.register("owner")
    await story.put("record-1", "owner")
    await story.put("record-2", "owner", status="disputed")
    return Pep(story.door)


async def decided(pep: Pep, body: Any) -> bool:
    """Evaluate, hold the answer against the scenario's section 2.3, and return the decision."""
    answer = await pep.answer(EVALUATION, body)
    assert isinstance(answer["decision"], bool)
    assert isinstance(answer.get("context", {}), dict)
    decision: bool = answer["decision"]
    return decision


async def test_basic_core_2_2_1_to_2_2_3(pep: Pep) -> None:
    """The four decisions of the fixture, with and without a context."""
    for subject, action, expected in (
        (ALICE, READ, True),
        (ALICE, WRITE, True),
        (BOB, READ, True),
        (BOB, WRITE, False),
    ):
        body = {"subject": subject, "action": action, "resource": RECORD_1}
        assert await decided(pep, body) is expected
        assert await decided(pep, body | {"context": TIME}) is expected


async def test_basic_core_2_2_8_and_2_2_9(pep: Pep) -> None:
    """Additional properties and unknown fields change nothing."""
    properties = {
        "subject": ALICE | {"properties": {"department": "Sales", "role": "manager"}},
        "action": READ | {"properties": {"method": "GET"}},
        "resource": RECORD_1 | {"properties": {"status": "active", "owner": "bob"}},
    }
    assert await decided(pep, properties)
    assert await decided(pep, PERMITTED | {"foo": "bar", "futureField": {"nested": True}})


async def test_basic_core_2_4_errors(pep: Pep) -> None:
    """Missing and mistyped fields, another content type, broken and empty bodies: 400."""
    wrong = [without(PERMITTED, name) for name in PERMITTED]
    wrong += [
        PERMITTED | {"subject": {"id": "alice"}},
        PERMITTED | {"subject": {"type": "user"}},
        PERMITTED | {"action": {}},
        PERMITTED | {"resource": {"id": "record-1"}},
        PERMITTED | {"resource": {"type": "record"}},
        PERMITTED | {"subject": "alice"},
        PERMITTED | {"action": {"name": 123}},
    ]
    for body in wrong:
        assert (await pep.send(EVALUATION, body)).status_code == 400, body
    for content, kind in ((b"{", "application/json"), (b"", "application/json"), (b"{}", "text/x")):
        response = await pep.raw(EVALUATION, content, **{"Content-Type": kind})
        assert response.status_code == 400


async def test_basic_core_2_5_and_2_6(pep: Pep) -> None:
    """The request id comes back; the same request has the same answer."""
    response = await pep.send(EVALUATION, PERMITTED, **{"X-Request-ID": "bfe9eb29"})
    assert response.headers["x-request-id"] == "bfe9eb29"
    assert [await decided(pep, DENIED) for _ in range(5)] == [False] * 5


async def test_batch_core_3_2(pep: Pep) -> None:
    """Defaults, order, none at all, and a context that is overridden."""
    two = [{"resource": RECORD_1}, {"resource": RECORD_2}]
    answers = await pep.decisions(*two, subject=ALICE, action=READ)
    assert [isinstance(answer["decision"], bool) for answer in answers] == [True, True]
    by_action = await pep.decisions(
        {"action": READ}, {"action": WRITE}, subject=BOB, resource=RECORD_1
    )
    assert [answer["decision"] for answer in by_action] == [True, False]
    full = await pep.decisions(PERMITTED, DENIED)
    assert [answer["decision"] for answer in full] == [True, False]
    two[1]["context"] = {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}
    assert len(await pep.decisions(*two, subject=ALICE, action=READ, context=TIME)) == 2


async def test_batch_core_3_4(pep: Pep) -> None:
    """One that lacks its resource fails alone; without evaluations the answer is a single one."""
    answers = await pep.decisions({"resource": RECORD_1}, {}, subject=ALICE, action=READ)
    assert [answer["decision"] for answer in answers] == [True, False]
    more: dict[str, Any]
    for more in ({}, {"evaluations": []}):
        assert (await pep.answer(EVALUATIONS, PERMITTED | more))["decision"] is True
    for content in (b"{", b""):
        assert (await pep.raw(EVALUATIONS, content)).status_code == 400


SUBJECTS: Final[dict[str, Any]] = {
    "subject": {"type": "user"},
    "action": READ,
    "resource": RECORD_1,
}
RESOURCES: Final[dict[str, Any]] = {
    "subject": ALICE,
    "action": READ,
    "resource": {"type": "record"},
}
ACTIONS: Final[dict[str, Any]] = {"subject": ALICE, "resource": RECORD_1}


async def test_search_core_4_2_to_4_4(pep: Pep) -> None:
    """Each search finds what evaluation permits, and nothing else."""
    contexts: list[dict[str, Any]] = [{}, {"context": TIME}]
    for context in contexts:
        assert await pep.found("subject", **SUBJECTS, **context) == [ALICE, BOB]
        assert await pep.found("resource", **RESOURCES, **context) == [RECORD_1]
        assert await pep.found("action", **ACTIONS, **context) == [READ, WRITE]
    writers = SUBJECTS | {"action": WRITE}
    assert await pep.found("subject", **writers) == [ALICE]
    assert await pep.found("action", **ACTIONS | {"subject": BOB}) == [READ]


async def test_search_core_4_5_pages(pep: Pep) -> None:
    """A limit, a token without the limit, and an empty token at the end."""
    first = await pep.search("subject", **SUBJECTS, page={"limit": 1})
    assert first["results"] == [ALICE]
    token = first["page"]["next_token"]
    assert isinstance(token, str)
    assert token
    second = await pep.search("subject", **SUBJECTS, page={"token": token})
    assert (second["results"], second["page"]["next_token"]) == ([BOB], "")


async def test_search_core_4_6_and_4_7(pep: Pep) -> None:
    """Unknown ids and types find nothing; what is missing is 400."""
    nobody: dict[str, Any] = {
        "subject": {"type": "user", "id": "nonexistent-user"},
        "resource": RECORD_1,
    }
    assert await pep.found("action", **nobody) == []
    assert await pep.found("subject", **SUBJECTS | {"subject": {"type": "spaceship"}}) == []
    for searched, body in (
        ("subject", without(SUBJECTS, "action")),
        ("resource", without(RESOURCES, "subject")),
        ("action", without(ACTIONS, "resource")),
        ("subject", SUBJECTS | {"resource": {"type": "record"}}),
        ("resource", RESOURCES | {"subject": {"type": "user"}}),
    ):
        assert (await pep.send(SEARCHES[searched], body)).status_code == 400


async def test_discovery_6(pep: Pep) -> None:
    """The metadata name the address that they were asked at, and every endpoint works."""
    response = await pep.door.http.get("/.well-known/authzen-configuration")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    metadata = response.json()
    base = metadata["policy_decision_point"]
    assert base == str(pep.door.http.base_url).rstrip("/")
    bodies = {
        "access_evaluation_endpoint": PERMITTED,
        "access_evaluations_endpoint": PERMITTED,
        "search_subject_endpoint": SUBJECTS,
        "search_resource_endpoint": RESOURCES,
        "search_action_endpoint": ACTIONS,
    }
    for name, body in bodies.items():
        assert metadata[name].startswith(f"{base}/")
        await pep.answer(metadata[name].removeprefix(base), body)
