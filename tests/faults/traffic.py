"""Clients that write and ask all the time, and remember what they were told.

What they were told is what holds them to account afterwards: an acknowledged write is there with
the revision it was told, an answered check is in the decision log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import asyncpg
import httpx2

from tests.ledger.naive_tree import perfect_subtrees
from tests.ledger.writing import kept

WRITERS: Final = 8
READERS: Final = 8
USE: Final = "discovery"
_PATIENCE_SECONDS: Final = 30
"""What is still not answered then never will be."""


class Ask(Protocol):
    """Sends one request in somebody's name and returns whatever is answered."""

    async def __call__(
        self, method: str, path: str, body: Any, *, who: str, key: str | None = None
    ) -> httpx2.Response:
        """`who` is a client of the platform's, or the artist `ana`."""


@dataclass(slots=True)
class Traffic:
    """Writers and readers about one artist."""

    ask: Ask
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The revision of each write by its key."""
    unknown: list[str] = field(default_factory=list)
    """The keys of writes of which nobody knows whether they happened."""
    answered: dict[str, bool] = field(default_factory=dict)
    """Whether each answered check permitted, by its decision."""
    refused: int = 0
    """How many requests were answered that nobody knows (503)."""
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    """Readers ask while this is set."""
    _stopped: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

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

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write and ask until the block ends, and all have finished what they are at."""
        self.asking.set()
        async with asyncio.TaskGroup() as crowd:
            for number in range(WRITERS):
                crowd.create_task(self._keep_writing(f"w{number}"))
            for _ in range(READERS):
                crowd.create_task(self._keep_asking())
            try:
                yield
            finally:
                self._stopped = True
                self.asking.set()

    async def until(self, *, writes: int = 0, checks: int = 0, refused: int = 0) -> None:
        """Return once this many more have been acknowledged, answered and refused."""
        writes += len(self.acknowledged)
        checks += len(self.answered)
        refused += self.refused
        while (
            len(self.acknowledged) < writes or len(self.answered) < checks or self.refused < refused
        ):
            self._news.clear()
            await self._news.wait()

    async def _keep_writing(self, name: str) -> None:
        number = 0
        while not self._stopped:
            number += 1
            await self.write(f"{name}-{number}")

    async def write(self, key: str) -> None:
        """Say one thing under one key, and remember what became of it."""
        no = {"answer": "opt_out", "use": USE, "channel": "settings_page"}
        # Many say yes at once, so through the platform, which says itself what was shown.
        yes = no | {"answer": "opt_in", "shown": [{"use": USE, "version": 1}]}
        body, who = (no, "ana") if int(key.rpartition("-")[2]) % 2 else (yes, "platform")
        told = await self._told("/v1/artists/ana/consents", body, who=who, key=key)
        if told is None:
            self.unknown.append(key)
        else:
            self.acknowledged[key] = told["revision"]

    async def _keep_asking(self) -> None:
        body = {"use": USE, "content": ["t1"]}
        while not self._stopped:
            await self.asking.wait()
            told = await self._told("/v1/checks", body, who="pipeline")
            if told is not None:
                self.answered[told["decision_id"]] = told["results"][0]["permitted"]

    async def _told(self, path: str, body: Any, *, who: str, key: str | None = None) -> Any:
        """Return what was answered, or None where it is not known and time has to pass."""
        try:
            response = await self.ask("POST", path, body, who=who, key=key)
        except httpx2.TransportError:
            await asyncio.sleep(0.01)
            return None
        self._news.set()
        if response.is_success:
            return response.json()
        assert response.status_code == 503, response.text
        self.refused += 1
        await asyncio.sleep(0.01)
        return None

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
