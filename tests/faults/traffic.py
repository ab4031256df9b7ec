"""Clients that write and ask all the time, and remember what they were told.

What they were told is what holds them to account afterwards: an acknowledged write is there with
the revision it was told, an answered check is in the decision log.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import asyncpg
import httpx2

from tests.ledger.naive_tree import perfect_subtrees
from tests.ledger.writing import kept

WRITERS: Final = 8
READERS: Final = 8
USE: Final = "discovery"


class Ask(Protocol):
    """Sends one request in somebody's name and returns whatever is answered."""

    async def __call__(
        self, method: str, path: str, body: Any, *, who: str, key: str | None = None
    ) -> httpx2.Response:
        """`who` is a client of the platform's, or the artist `ana`."""


@dataclass(slots=True)
class Traffic:
    """Writers and readers about one artist, until they are told to stop."""

    ask: Ask
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The revision of each write by its key."""
    unknown: list[str] = field(default_factory=list)
    """The keys of writes of which nobody knows whether they happened."""
    answered: dict[str, bool] = field(default_factory=dict)
    """Whether each answered check permitted, by its decision."""
    refused: Counter[int] = field(default_factory=Counter)
    """How many requests were answered with each other status."""
    _stopped: bool = False

    async def begin(self) -> None:
        """Open a ledger with launch terms, an artist and a track."""
        terms = {
            "mode": "opt_out",
            "recipients": ["internal"],
            "notice_period": "P30D",
            "texts": {"en": "We recommend your music."},
        }
        for path, body, who in (
            ("/v1/charter", {"platform": "Example Sounds"}, "policy-desk"),
            (f"/v1/uses/{USE}/policies", terms, "policy-desk"),
            ("/v1/artists", {"artists": [{"artist": "ana"}]}, "platform"),
            ("/v1/content", {"content": [{"content": "t1", "rightsholders": ["ana"]}]}, "platform"),
        ):
            response = await self.ask("POST", path, body, who=who)
            assert response.is_success, response.text

    async def run(self) -> None:
        """Write and ask until `stop`."""
        async with asyncio.TaskGroup() as crowd:
            for number in range(WRITERS):
                crowd.create_task(self._keep_writing(f"w{number}"))
            for _ in range(READERS):
                crowd.create_task(self._keep_asking())

    async def until(self, *, writes: int, checks: int) -> None:
        """Return once this many more have been acknowledged and answered."""
        writes += len(self.acknowledged)
        checks += len(self.answered)
        while len(self.acknowledged) < writes or len(self.answered) < checks:
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Let everybody finish what they are at."""
        self._stopped = True

    async def _keep_writing(self, name: str) -> None:
        number = 0
        while not self._stopped:
            number += 1
            await self.write(f"{name}-{number}")

    async def write(self, key: str) -> None:
        """Say one thing under one key, and remember what became of it."""
        answer = "opt_out" if int(key.rpartition("-")[2]) % 2 else "opt_in"
        body = {"answer": answer, "use": USE, "channel": "settings_page"}
        try:
            response = await self.ask("POST", "/v1/artists/ana/consents", body, who="ana", key=key)
        except httpx2.TransportError:
            self.unknown.append(key)
            await asyncio.sleep(0.01)
            return
        if response.is_success:
            self.acknowledged[key] = response.json()["revision"]
            return
        assert response.status_code == 503, response.text
        self.refused[response.status_code] += 1
        self.unknown.append(key)
        await asyncio.sleep(0.01)

    async def _keep_asking(self) -> None:
        while not self._stopped:
            body = {"use": USE, "content": ["t1"]}
            try:
                response = await self.ask("POST", "/v1/checks", body, who="pipeline")
            except httpx2.TransportError:
                await asyncio.sleep(0.01)
                continue
            if response.is_success:
                answer = response.json()
                self.answered[answer["decision_id"]] = answer["results"][0]["permitted"]
                continue
            assert response.status_code == 503, response.text
            self.refused[response.status_code] += 1
            await asyncio.sleep(0.01)

    async def resolve(self) -> None:
        """Ask again about every write whose outcome is unknown: the same key tells."""
        keys, self.unknown = self.unknown, []
        for key in keys:
            await self.write(key)
        assert self.unknown == []

    async def hold_to_account(self, url: str) -> None:
        """See that the database holds all that clients were told, and holds it once."""
        found = await kept(url)
        assert [event.revision for event in found.events] == list(range(1, found.size + 1))
        assert found.stack == b"".join(perfect_subtrees([event.leaf for event in found.events]))
        assert found.size == 4 + len(self.acknowledged)
        assert sorted(self.acknowledged.values()) == list(range(5, found.size + 1))
        connection = await asyncpg.connect(url)
        try:
            keys = await connection.fetch(
                "SELECT key, (answer->>'revision')::bigint FROM idempotency_keys"
            )
            assert dict(keys) == self.acknowledged
            derived = await connection.fetch("SELECT revision FROM consents")
            assert {row["revision"] for row in derived} == set(self.acknowledged.values())
            decisions = await connection.fetch("SELECT decision_id FROM decisions")
            assert set(self.answered) <= {row["decision_id"] for row in decisions}
        finally:
            await connection.close()
