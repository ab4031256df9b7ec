"""Verbs for what happens on a platform. Each has to succeed, and returns what was answered."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.api.door import Door
from tests.api.people import PIPELINE, PLATFORM, POLICY_DESK, Caller, person

RECOMMENDATION: Final = "discovery.recommendation"
MUSIC: Final = "training.generative.music"
VOICE: Final = "training.generative.voice"
ONLY_ASKS: Final = pytest.mark.asyncio(loop_scope="session")
"""For tests that change nothing, and so share one platform."""

TEXTS: Final = {"en": "What we do with your music.", "de": "Was wir mit deiner Musik tun."}


class Story:
    """What a platform does, step by step, through the door."""

    def __init__(self, door: Door) -> None:
        """Take the door that it happens through."""
        self.door = door

    async def open_charter(self, least: str = "P30D") -> Any:
        """Open the ledger."""
        body = {"platform": "Example Sounds", "min_notice_period": least}
        return await self.door.done("POST", "/v1/charter", body, by=POLICY_DESK)

    async def publish(
        self,
        use: str,
        mode: str,
        *recipients: str,
        texts: dict[str, str] | None = None,
        period: str = "P30D",
        editorial: bool = False,
    ) -> Any:
        """Publish the next version of a use's policy."""
        body = draft(mode, *recipients, texts=texts, period=period, editorial=editorial)
        return await self.door.done("POST", f"/v1/uses/{use}/policies", body, by=POLICY_DESK)

    async def register(self, *artists: str) -> Any:
        """Register artists."""
        body = {"artists": [{"artist": artist} for artist in artists]}
        return await self.door.done("POST", "/v1/artists", body, by=PLATFORM)

    async def put(self, content: str, *rightsholders: str, status: str = "active") -> Any:
        """Put one content."""
        row = {"content": content, "rightsholders": list(rightsholders), "status": status}
        return await self.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)

    async def say(
        self, artist: str, answer: str, use: str = "*", *, by: Caller | None = None, **more: Any
    ) -> Any:
        """Record what an artist says, by default in their own name, on settings just opened."""
        body = {"answer": answer, "use": use, "channel": "settings_page", **more}
        path = f"/v1/artists/{artist}/consents"
        response = await self.door.ask_seeing("POST", path, body, by=by or person(artist))
        assert response.is_success, response.text
        return response.json()

    async def delegate(self, artist: str, delegate: str, *, may_opt_in: bool = False) -> Any:
        """Let somebody act for an artist, as the artist wishes."""
        path = f"/v1/artists/{artist}/delegates/{delegate}"
        return await self.door.done("PUT", path, {"may_opt_in": may_opt_in}, by=person(artist))

    async def deliver(
        self, notice: str, *artists: str, outcome: str = "delivered", **more: Any
    ) -> Any:
        """Report what became of a notice at some artists."""
        rows = [
            {"artist": artist, "outcome": outcome, "channel": "email", **more} for artist in artists
        ]
        path = f"/v1/notices/{notice}/deliveries"
        return await self.door.done("POST", path, {"deliveries": rows}, by=PLATFORM)

    async def check(
        self, use: str, *content: str, by: Caller = PIPELINE, **more: Any
    ) -> dict[str, Any]:
        """Ask about content, and return the whole answer."""
        body = {"use": use, "content": list(content), **more}
        answer: dict[str, Any] = await self.door.done("POST", "/v1/checks", body, by=by)
        return answer

    async def reasons(
        self, use: str, *content: str, by: Caller = PIPELINE, **more: Any
    ) -> Sequence[str]:
        """Ask about content, and return the reasons alone."""
        answer = await self.check(use, *content, by=by, **more)
        return [result["reason"] for result in answer["results"]]

    async def revision(self) -> int:
        """Return the number of events so far."""
        response = await self.door.ask("GET", "/readyz")
        revision: int = response.json()["revision"]
        return revision

    async def begin(self) -> None:
        """Open the ledger with launch terms, two artists and a track of each and of both.

        `discovery.recommendation` is `opt_out` from the start, `training.generative.music` and
        `training.generative.voice` are `opt_in`; all for `internal`.
        """
        await self.open_charter()
        await self.publish(RECOMMENDATION, "opt_out", "internal")
        await self.publish(MUSIC, "opt_in", "internal")
        await self.publish(VOICE, "opt_in", "internal")
        await self.register("ana", "ben")
        await self.put("song", "ana")
        await self.put("tune", "ben")
        await self.put("duet", "ana", "ben")


def draft(
    mode: str,
    *recipients: str,
    texts: dict[str, str] | None = None,
    period: str = "P30D",
    editorial: bool = False,
) -> dict[str, Any]:
    """Return the body that publishes a version; with no recipient named, for `internal`."""
    return {
        "mode": mode,
        "recipients": list(recipients or ("internal",)),
        "notice_period": period,
        "texts": texts or TEXTS,
        "editorial": editorial,
    }
