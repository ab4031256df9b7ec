"""What one request may cost everybody else, and what is large and taken all the same."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest

from service.decisions.check import MOST_EXPLAINED
from tests.api.door import Door
from tests.api.people import PIPELINE, PLATFORM
from tests.api.refusals import refused
from tests.api.story import RECOMMENDATION, Story

EACH: Final = 100
MOST_ROWS: Final = 10_000
WRITES: Final = (
    ("POST", "/v1/charter"),
    ("PATCH", "/v1/charter"),
    ("PUT", "/v1/uses/training"),
    ("POST", f"/v1/uses/{RECOMMENDATION}/policies"),
    ("POST", "/v1/artists"),
    ("PUT", "/v1/artists/ana/delegates/label"),
    ("POST", "/v1/artists/ana/consents"),
    ("POST", "/v1/artists/ana/consents/preview"),
    ("POST", "/v1/artists/ana/consents/9/undo"),
    ("POST", "/v1/roster/consents"),
    ("POST", "/v1/roster/consents/preview"),
    ("POST", "/v1/content"),
    ("POST", f"/v1/notices/{RECOMMENDATION}:1/deliveries"),
    ("POST", "/v1/checks"),
)


def parts(rows: list[Any]) -> Iterator[list[Any]]:
    """Return the rows in requests of the most that one may hold."""
    for start in range(0, len(rows), MOST_ROWS):
        yield rows[start : start + MOST_ROWS]


async def register(door: Door, names: list[str]) -> None:
    """Register artists, however many."""
    for some in parts(names):
        body = {"artists": [{"artist": name} for name in some]}
        await door.done("POST", "/v1/artists", body, by=PLATFORM)


async def test_too_many_rightsholders_are_not_explained(story: Story) -> None:
    """The most there may be are explained; one content more is too much, and says what to do.

    Without the explanations there may be many times as many.
    """
    await story.open_charter()
    await story.publish(RECOMMENDATION, "opt_out", "internal")
    artists = [f"a{n}" for n in range(EACH)]
    await register(story.door, artists)
    asked = [f"c{n}" for n in range(MOST_EXPLAINED // EACH)]
    rows = [{"content": one, "rightsholders": artists} for one in asked]
    await story.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    await story.put("one-more", "a0")
    answer = await story.check(RECOMMENDATION, *asked, explain=True)
    assert {result["reason"] for result in answer["results"]} == {"window_closed"}
    body = {"use": RECOMMENDATION, "content": [*asked, "one-more"], "explain": True}
    response = await story.door.ask("POST", "/v1/checks", body, by=PIPELINE)
    refused(response, 422, "too_many_rightsholders", "content")
    assert "in parts" in response.json()["errors"][0]["message"]
    reasons = await story.reasons(RECOMMENDATION, *asked * 100, "one-more")
    assert set(reasons) == {"window_closed"}


async def test_the_most_content_with_rightsholders_of_their_own_is_taken(story: Story) -> None:
    """There is no hidden limit on how many artists one request names."""
    await story.open_charter()
    await story.publish(RECOMMENDATION, "opt_out", "internal")
    artists = [f"a{n}" for n in range(4 * MOST_ROWS)]
    await register(story.door, artists)
    rows = [
        {"content": f"c{n}", "rightsholders": artists[4 * n : 4 * n + 4], "status": "active"}
        for n in range(MOST_ROWS)
    ]
    body = {"content": rows}
    assert (await story.door.done("POST", "/v1/content", body, by=PLATFORM))["put"] == MOST_ROWS
    again = await story.door.done("POST", "/v1/content", body, by=PLATFORM)
    assert (again["put"], again["unchanged"]) == (0, MOST_ROWS)
    last = [f"c{n}" for n in (0, MOST_ROWS - 1)]
    assert await story.reasons(RECOMMENDATION, *last) == ["window_closed", "window_closed"]


class Unread:
    """A body that notes whether anybody read it."""

    def __init__(self) -> None:
        """Start unread."""
        self.read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Send what is no JSON."""
        self.read = True
        yield b"{" * 1_000


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("token", [None, "not.a.token"])
async def test_a_strangers_body_is_not_read(
    begun: Story, method: str, path: str, token: str | None
) -> None:
    """Whoever has no good token is told so first, whatever they send."""
    body = Unread()
    headers = {"Content-Type": "application/json"} | (
        {} if token is None else {"Authorization": f"Bearer {token}"}
    )
    response = await begun.door.http.request(method, path, content=body, headers=headers)
    assert response.status_code == 401
    assert not body.read
    malformed = await begun.door.http.request(method, path, content=b"{", headers=headers)
    assert malformed.status_code == 401


async def test_a_friends_malformed_body_is_malformed(begun: Story) -> None:
    """The proof comes first and takes nothing away."""
    headers = begun.door.headers(PLATFORM) | {"Content-Type": "application/json"}
    response = await begun.door.http.post("/v1/content", content=b"{", headers=headers)
    assert response.status_code == 400
