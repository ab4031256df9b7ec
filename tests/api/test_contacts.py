"""Where artists can be reached: said by the platform, read by those it concerns, in no ledger."""

from collections.abc import Mapping

from tests.api.people import AUDITOR, PLATFORM, person
from tests.api.story import Story


async def put(story: Story, *rows: Mapping[str, str | None]) -> dict[str, int]:
    """Say where artists can be reached."""
    answer: dict[str, int] = await story.door.done(
        "POST", "/v1/contacts", {"contacts": list(rows)}, by=PLATFORM
    )
    return answer


async def test_a_contact_is_as_it_was_said_last(begun: Story) -> None:
    """Each row takes the place of the one before; the same again is no change."""
    row = {"artist": "ana", "email": "ana@mail.example", "locale": "pt-BR"}
    assert await put(begun, row, {"artist": "ben"}) == {"contacts": 2, "changed": 2}
    assert await put(begun, row) == {"contacts": 1, "changed": 0}
    assert await put(begun, {"artist": "ana", "locale": "de"}) == {"contacts": 1, "changed": 1}
    found = await begun.door.done("GET", "/v1/artists/ana/contact", by=person("ana"))
    assert (found["email"], found["locale"]) == (None, "de")
    assert found["updated_at"].endswith("Z")


async def test_nobody_has_to_have_said_anything(begun: Story) -> None:
    """An artist of whom nothing was said has an empty contact."""
    found = await begun.door.done("GET", "/v1/artists/ana/contact", by=AUDITOR)
    assert found == {"artist": "ana", "email": None, "locale": None, "updated_at": None}


async def test_contacts_are_no_part_of_the_ledger(begun: Story) -> None:
    """They change no answer, so they are no event."""
    before = await begun.revision()
    await put(begun, {"artist": "ana", "email": "ana@mail.example"})
    assert await begun.revision() == before


async def test_what_cannot_be_kept_is_named_row_by_row_and_leaves_no_trace(begun: Story) -> None:
    """One bad row among good ones keeps nothing, and each is told apart."""
    rows = [
        {"artist": "ana", "email": "ana@mail.example"},
        {"artist": "nobody", "email": "nobody@mail.example"},
        {"artist": "ben", "email": "no address"},
    ]
    response = await begun.door.ask("POST", "/v1/contacts", {"contacts": rows}, by=PLATFORM)
    assert response.status_code == 422
    assert [(one["field"], one["code"]) for one in response.json()["errors"]] == [
        ("contacts[1].artist", "unknown_artist"),
        ("contacts[2].email", "not_an_email_address"),
    ]
    assert "no address" not in response.text
    found = await begun.door.done("GET", "/v1/artists/ana/contact", by=PLATFORM)
    assert found["email"] is None


async def test_an_artist_is_named_once_a_request(begun: Story) -> None:
    """Of two rows about one artist nobody could tell which is meant."""
    rows = [{"artist": "ana", "email": "a@mail.example"}, {"artist": "ana", "locale": "en"}]
    response = await begun.door.ask("POST", "/v1/contacts", {"contacts": rows}, by=PLATFORM)
    assert [one["code"] for one in response.json()["errors"]] == ["repeated"]


async def test_a_delegate_sees_where_their_artist_is_reached(begun: Story) -> None:
    """The artist and whoever acts for them may see it; a stranger learns nothing."""
    await put(begun, {"artist": "ana", "email": "ana@mail.example"})
    await begun.delegate("ana", "label")
    found = await begun.door.done("GET", "/v1/artists/ana/contact", by=person("label"))
    assert found["email"] == "ana@mail.example"
    stranger = await begun.door.ask("GET", "/v1/artists/ana/contact", by=person("eve"))
    assert stranger.status_code == 404
