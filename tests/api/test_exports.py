"""`/v1/exports`: what compliance asks for, and what is refused."""

from typing import Any, Final

import pytest

from tests.api.door import Door, connected, open_door
from tests.api.people import AUDITOR
from tests.api.refusals import refused
from tests.api.story import ONLY_ASKS, Story

CONSENTS: Final[dict[str, Any]] = {"datasets": ["consents"]}
NOBODY: Final = "exp_" + 32 * "0"


async def ask(door: Door, key: str | None = None, **body: Any) -> Any:
    """Ask for an export, of consents unless said; return whatever is answered."""
    return await door.ask("POST", "/v1/exports", CONSENTS | body, by=AUDITOR, key=key)


@ONLY_ASKS
async def test_an_export_is_asked_for_and_waits(standing: Story) -> None:
    """Its address is told at once, and which state of the ledger it will show."""
    answer = await ask(standing.door, format="csv", filters={"use": "discovery", "artist": "ana"})
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/exports/{body['export_id']}"
    assert (body["state"], body["revision"], body["as_of"]) == ("queued", 8, body["requested_at"])
    assert (body["format"], body["openings"], body["error"]) == ("csv", False, None)
    assert (body["filters"]["use"], body["filters"]["artist"]) == ("discovery", "ana")
    assert (body["requested_by"], body["client"]) == (AUDITOR.subject, AUDITOR.client_id)
    read = await standing.door.done("GET", answer.headers["location"], by=AUDITOR)
    assert read == body | {"manifest": None, "files": []}


@ONLY_ASKS
async def test_asking_again_with_the_same_key_asks_for_nothing_new(standing: Story) -> None:
    """Whatever has happened since; another request under the key is refused."""
    door = standing.door
    answers = [await ask(door, key="monthly") for _ in range(2)]
    first, again = [answer.json() for answer in answers]
    assert first == again
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    other = await ask(door, key="monthly", format="csv")
    refused(other, 409, "idempotency_key_reused", "Idempotency-Key")
    earlier = await ask(door, key="monthly", as_of=7)
    refused(earlier, 409, "idempotency_key_reused", "Idempotency-Key")
    new = (await ask(door, key="weekly")).json(), (await ask(door)).json()
    assert len({first["export_id"], *(one["export_id"] for one in new)}) == 3


@ONLY_ASKS
async def test_exports_are_listed_newest_first(standing: Story) -> None:
    """Page by page, those that have expired among them."""
    door = standing.door
    asked = [(await ask(door)).json()["export_id"] for _ in range(5)]
    await door.ask("DELETE", f"/v1/exports/{asked[1]}", by=AUDITOR)
    found: list[dict[str, Any]] = []
    cursor = ""
    while not found or cursor:
        page = await door.done("GET", f"/v1/exports?limit=2{cursor}", by=AUDITOR)
        assert len(page["exports"]) <= 2
        found += page["exports"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert [one["export_id"] for one in found][:5] == asked[::-1]
    assert [one["state"] for one in found][:5].count("expired") == 1
    assert "manifest" not in found[0]


@ONLY_ASKS
async def test_a_deleted_export_stays_on_record(standing: Story) -> None:
    """Deleting it once more changes nothing."""
    door = standing.door
    path = (await ask(door)).headers["location"]
    for _ in range(2):
        assert (await door.ask("DELETE", path, by=AUDITOR)).status_code == 204
    read = await door.done("GET", path, by=AUDITOR)
    assert (read["state"], read["files"]) == ("expired", [])


REFUSED: Final[tuple[tuple[dict[str, Any], str, str], ...]] = (
    ({"datasets": []}, "datasets", "nothing_wanted"),
    ({"datasets": ["consents", "everything"]}, "datasets[1]", "unknown_dataset"),
    ({"datasets": ["consents", "consents"]}, "datasets[1]", "repeated"),
    ({"packs": ["everything"]}, "packs[0]", "unknown_pack"),
    ({"packs": ["licensing-certification"]}, "filters.recipient", "filter_needed"),
    (
        {"datasets": ["policies"], "filters": {"artist": "ana"}},
        "filters.artist",
        "filter_not_taken",
    ),
    ({"datasets": ["policies"], "openings": True}, "openings", "nothing_to_open"),
    (
        {"filters": {"since": "2026-03-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}},
        "filters.until",
        "until_before_since",
    ),
    ({"as_of": 1_000}, "as_of", "unknown_revision"),
    ({"as_of": "2999-01-01T00:00:00Z"}, "as_of", "in_the_future"),
    ({"as_of": "2020-01-01T00:00:00Z"}, "as_of", "before_the_ledger"),
)


@ONLY_ASKS
@pytest.mark.parametrize(("body", "field", "code"), REFUSED, ids=lambda one: str(one)[:40])
async def test_what_cannot_be_is_refused_by_name(
    standing: Story, body: dict[str, Any], field: str, code: str
) -> None:
    """Before anything is begun, and nothing is kept of it."""
    before = await standing.door.done("GET", "/v1/exports?limit=1", by=AUDITOR)
    refused(await ask(standing.door, **body), 422, code, field)
    assert await standing.door.done("GET", "/v1/exports?limit=1", by=AUDITOR) == before


@ONLY_ASKS
@pytest.mark.parametrize(
    "body",
    [{"format": "xlsx"}, {"as_of": 0}, {"as_of": "yesterday"}, {"filters": {"where": "here"}}],
)
async def test_what_is_not_a_request_is_refused(standing: Story, body: dict[str, Any]) -> None:
    """As everywhere."""
    assert (await ask(standing.door, **body)).status_code == 422


@ONLY_ASKS
async def test_nobody_is_filtered_by_who_is_nobody(standing: Story) -> None:
    """An export about an artist who is unknown would be empty, and mistaken for an answer."""
    answer = await ask(standing.door, filters={"artist": "nobody"})
    refused(answer, 404, "unknown_artist", "filters.artist")


@ONLY_ASKS
async def test_an_unknown_export_is_not_found(standing: Story) -> None:
    """Nor its files; and a cursor that nobody gave is refused."""
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/files/manifest.json")):
        answer = await standing.door.ask(method, f"/v1/exports/{NOBODY}{path}", by=AUDITOR)
        refused(answer, 404, "unknown_export", "export")
    path = (await ask(standing.door)).headers["location"]
    answer = await standing.door.ask("GET", f"{path}/files/manifest.json", by=AUDITOR)
    refused(answer, 404, "unknown_file", "file")
    for cursor in ("!", "AAAA"):
        answer = await standing.door.ask("GET", f"/v1/exports?cursor={cursor}", by=AUDITOR)
        refused(answer, 422, "unknown_cursor", "cursor")


@ONLY_ASKS
async def test_no_artists_id_is_kept_with_an_export(standing: Story) -> None:
    """They stand in its row by their reference, so that erasing them leaves nothing there."""
    asked = (await ask(standing.door, filters={"artist": "ana"})).json()
    assert asked["filters"]["artist"] == "ana"
    async with connected(standing.door.database_url) as connection:
        row = await connection.fetchval(
            "SELECT e::text FROM exports e WHERE export_id = $1", asked["export_id"]
        )
    assert "ana" not in row


async def test_without_a_place_there_are_no_exports(story: Story) -> None:
    """Whoever asks is told what to set; and an empty ledger has nothing to export."""
    door = story.door
    refused(await ask(door), 409, "empty_ledger", "as_of")
    async with open_door(door.database_url, door.issuer, exports=None) as without:
        refused(await ask(without), 409, "not_set_up", "export")
