"""A write that is sent again with its key is answered again and done once."""

import asyncio
from typing import Any, Final

import pytest

from tests.api.door import Door, connected
from tests.api.people import PLATFORM, POLICY_DESK, Caller, person
from tests.api.story import MUSIC, RECOMMENDATION, Story, draft
from tests.api.whole_database import changed, everything

ANA: Final = person("ana")
CONSENTS: Final = "/v1/artists/ana/consents"
NO: Final = {"answer": "opt_out", "use": "*", "channel": "settings_page"}

# One good request of each writer, to be made on a platform that has begun.
WRITERS: Final[dict[str, tuple[str, str, Any, Caller]]] = {
    "tighten the charter": ("PATCH", "/v1/charter", {"min_notice_period": "P60D"}, POLICY_DESK),
    "name a use": (
        "PUT",
        "/v1/uses/training",
        {"names": {"pt-BR": "Treino", "en": "Training", "de": "Lernen"}},
        POLICY_DESK,
    ),
    "publish a policy": ("POST", f"/v1/uses/{MUSIC}/policies", draft("opt_out"), POLICY_DESK),
    "register artists": ("POST", "/v1/artists", {"artists": [{"artist": "eve"}]}, PLATFORM),
    "grant a delegate": ("PUT", "/v1/artists/ana/delegates/label", {"may_opt_in": True}, ANA),
    "revoke a delegate": ("DELETE", "/v1/artists/ana/delegates/manager", None, ANA),
    "put content": (
        "POST",
        "/v1/content",
        {"content": [{"content": "new", "rightsholders": ["ana"], "title": "New"}]},
        PLATFORM,
    ),
    "record a consent": ("POST", CONSENTS, NO, ANA),
    "confirm deliveries": (
        "POST",
        f"/v1/notices/{RECOMMENDATION}:1/deliveries",
        {"deliveries": [{"artist": "ana", "channel": "email"}]},
        PLATFORM,
    ),
}


async def test_opening_the_charter_again_with_its_key_is_no_conflict(door: Door) -> None:
    """Without the key a second opening is a conflict; with it, it is the first one's answer."""
    body = {"platform": "Example Sounds"}
    first, again, bare = [
        await door.ask("POST", "/v1/charter", body, by=POLICY_DESK, key=key)
        for key in ("open", "open", None)
    ]
    assert (first.status_code, again.status_code, bare.status_code) == (201, 201, 409)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("writer", WRITERS)
async def test_the_same_request_is_answered_the_same_and_done_once(
    begun: Story, writer: str
) -> None:
    """Same key and body: the same status and answer, marked as a replay, and no other trace."""
    await begun.delegate("ana", "manager")
    method, path, body, by = WRITERS[writer]
    door = begun.door
    first = await door.ask(method, path, body, by=by, key="once")
    assert first.is_success, first.text
    assert "idempotency-replayed" not in first.headers
    before = await everything(door.database_url)
    again = await door.ask(method, path, body, by=by, key="once")
    assert again.status_code == first.status_code
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert changed(before, await everything(door.database_url)) == []


async def test_the_same_key_with_another_body_is_a_conflict(begun: Story) -> None:
    """The key stands for the first request; another one is refused and changes nothing."""
    door = begun.door
    await door.done("POST", CONSENTS, NO, by=ANA, key="mine")
    before = await everything(door.database_url)
    other = await door.ask("POST", CONSENTS, NO | {"use": MUSIC}, by=ANA, key="mine")
    assert other.status_code == 409
    assert other.json()["errors"][0]["code"] == "idempotency_key_reused"
    assert changed(before, await everything(door.database_url)) == []


async def test_a_body_is_the_same_only_byte_for_byte(begun: Story) -> None:
    """Nobody has to guess which differences count: all do."""
    door = begun.door
    headers = door.headers(ANA, "mine") | {"Content-Type": "application/json"}
    body = b'{"answer": "opt_out", "use": "*", "channel": "email"}'
    first = await door.http.post(CONSENTS, content=body, headers=headers)
    spaced = await door.http.post(CONSENTS, content=body.replace(b" ", b""), headers=headers)
    assert (first.status_code, spaced.status_code) == (201, 409)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/artists/ben/consents", NO),
        ("POST", f"{CONSENTS}?again", NO),
        ("PUT", "/v1/artists/ana/delegates/label", {}),
        ("DELETE", "/v1/artists/ana/delegates/label", None),
    ],
)
async def test_a_key_stands_for_one_route_only(
    begun: Story, method: str, path: str, body: Any
) -> None:
    """The same key on another route, or with another query, is a conflict."""
    door = begun.door
    await door.done("POST", CONSENTS, NO, by=PLATFORM, key="mine")
    assert (await door.ask(method, path, body, by=PLATFORM, key="mine")).status_code == 409


async def test_twenty_at_once_are_done_once(begun: Story) -> None:
    """Repetitions that overtake the first are answered as it is."""
    door = begun.door
    revision = await begun.revision()
    answers = await asyncio.gather(
        *(door.ask("POST", CONSENTS, NO, by=ANA, key="mine") for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["revision"] for answer in answers} == {revision + 1}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await begun.revision() == revision + 1


async def test_of_twenty_at_once_with_other_bodies_one_is_done(begun: Story) -> None:
    """Whichever came first has the key."""
    door = begun.door
    bodies = [NO | {"channel": f"channel_{n}"} for n in range(20)]
    answers = await asyncio.gather(
        *(door.ask("POST", CONSENTS, body, by=ANA, key="mine") for body in bodies)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


async def test_keys_are_each_clients_own(begun: Story) -> None:
    """Two clients, and two people of one client, may use the same key for their own requests."""
    door = begun.door
    callers = [ANA, person("ana", through="app"), person("ben")]
    path = "/v1/artists/{}/consents"
    answers = [
        await door.ask("POST", path.format(by.subject), NO, by=by, key="mine") for by in callers
    ]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["revision"] for answer in answers}) == 3


async def test_clients_whose_names_run_together_are_two(begun: Story) -> None:
    """Client `a b` with `c` is not client `a` with `b c`."""
    door = begun.door
    await begun.register("c", "b c")
    first = person("c", through="a b")
    other = person("b c", through="a")
    await door.done("POST", "/v1/artists/c/consents", NO, by=first, key="mine")
    second = await door.ask("POST", "/v1/artists/b c/consents", NO, by=other, key="mine")
    assert second.status_code == 201


async def test_a_refused_request_is_not_remembered(begun: Story) -> None:
    """What was refused may be corrected, or become possible, under the same key."""
    door = begun.door
    wish = {"answer": "opt_in", "use": MUSIC, "content": "later", "channel": "email"}
    refused = await door.ask_seeing("POST", CONSENTS, wish, by=ANA, key="mine")
    assert refused.status_code == 422
    await begun.put("later", "ana")
    taken = await door.ask_seeing("POST", CONSENTS, wish, by=ANA, key="mine")
    assert taken.status_code == 201
    invalid = await door.ask("POST", CONSENTS, {}, by=ANA, key="other")
    assert invalid.status_code == 422
    assert (await door.ask("POST", CONSENTS, NO, by=ANA, key="other")).status_code == 201


async def test_a_dry_run_is_not_remembered(begun: Story) -> None:
    """The real publication after it may have the same key."""
    door = begun.door
    path = f"/v1/uses/{MUSIC}/policies"
    dry = await door.ask("POST", f"{path}?dry_run=true", draft("opt_out"), by=POLICY_DESK, key="k")
    real = await door.ask("POST", path, draft("opt_out"), by=POLICY_DESK, key="k")
    assert (dry.status_code, real.status_code) == (200, 201)


async def test_a_replay_answers_with_what_was_true_then(begun: Story) -> None:
    """The state may have gone on; the answer is still the first one."""
    door = begun.door
    path, body = "/v1/artists/ana/delegates/label", {"may_opt_in": True}
    first = await door.done("PUT", path, body, by=ANA, key="mine")
    await door.done("DELETE", path, by=ANA)
    assert await door.done("PUT", path, body, by=ANA, key="mine") == first
    listed = await door.done("GET", "/v1/artists/ana/delegates", by=ANA)
    assert listed["delegates"][0]["revoked_at"] is not None


async def test_a_lost_scope_loses_the_replay(begun: Story) -> None:
    """A key is no token: who may not write any more learns nothing by repeating."""
    door = begun.door
    method, path, body, by = WRITERS["register artists"]
    await door.done(method, path, body, by=by, key="mine")
    lost = Caller(by.client_id, by.subject, frozenset())
    assert (await door.ask(method, path, body, by=lost, key="mine")).status_code == 403


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_has_a_length(begun: Story, key: str) -> None:
    """1 to 200 characters; others are refused before anything is done."""
    response = await begun.door.ask("POST", CONSENTS, NO, by=ANA, key=key)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_the_longest_key_is_taken(begun: Story) -> None:
    """200 characters, of any kind that a header can carry."""
    key = '"' + "k" * 197 + ' "'
    for replayed in (False, True):
        response = await begun.door.ask("POST", CONSENTS, NO, by=ANA, key=key)
        assert response.status_code == 201
        assert ("idempotency-replayed" in response.headers) is replayed


async def test_a_kept_answer_names_no_more_than_it_needs(begun: Story) -> None:
    """What is kept for a key is the request's digest and its answer, not the request."""
    await begun.door.done("POST", CONSENTS, NO, by=ANA, key="mine")
    async with connected(begun.door.database_url) as connection:
        row = await connection.fetchrow("SELECT * FROM idempotency_keys")
    assert row["key"] == "mine"
    assert len(row["fingerprint"]) == 32
