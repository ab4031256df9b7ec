"""A platform of which many artists are told of one notice, and what it remembers of that.

Its messaging takes notices and its reports say what became of them: some twice, some late, some
bounced before they arrived. Meanwhile artists say no. What everybody was answered is what holds the
service to account afterwards.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from service.domain.instant import SECOND, Instant, format_instant, to_instant
from service.ledger.events import Kind
from service.notices.batches import LEASE, SendState
from tests.faults.messaging import Messaging
from tests.faults.traffic import Ask
from tests.faults.waiting import until, until_found
from tests.ledger.naive_tree import perfect_subtrees
from tests.ledger.writing import connected, kept

USE: Final = "training.generative.music"
NOTICE: Final = f"{USE}:2"
PERIOD: Final = timedelta(days=30)
_T = TypeVar("_T")
_ROWS: Final = 10_000
"""The most that one request takes."""
_SAYING_NO: Final = 40
_REPORT_EVERY_S: Final = 0.1


@dataclass(slots=True)
class Telling:
    """One platform, one notice."""

    ask: Ask
    messaging: Messaging
    randomness: random.Random
    artists: list[str]
    answers: list[dict[str, Any]] = field(default_factory=list)
    """What the reports of deliveries were answered, each key's answer once."""
    said_no: dict[str, int] = field(default_factory=dict)
    """The revisions of acknowledged opt-outs, by artist."""
    _heard: set[str] = field(default_factory=set)
    _later: list[tuple[str, str]] = field(default_factory=list)
    """Artists whose delivery is reported when all is over, with the message that told them."""
    _keys: int = 0
    _stopped: bool = False

    async def begin(self) -> None:
        """Open a ledger with launch terms, register everybody and publish what has to wait."""
        terms = {
            "mode": "opt_in",
            "recipients": ["internal"],
            "notice_period": "P30D",
            "texts": {"en": "We train only on what you allow."},
        }
        waiting = terms | {"mode": "opt_out", "texts": {"en": "We train unless you object."}}
        policies = f"/v1/uses/{USE}/policies"
        await self._done("policy-desk", "/v1/charter", {"platform": "Example Sounds"})
        await self._done("policy-desk", policies, terms)
        for some in _portions(self.artists):
            rows = [{"artist": artist} for artist in some]
            await self._done("platform", "/v1/artists", {"artists": rows})
        await self._done("policy-desk", policies, waiting)

    async def put_endpoint(self) -> None:
        """Register the messaging's address, and let it prove itself."""
        put = await self.ask(
            "PUT", "/v1/webhook-endpoint", {"url": self.messaging.url}, who="platform"
        )
        assert put.is_success, put.text
        self.messaging.secret = put.json()["secret"]
        proven = await self._done("platform", "/v1/webhook-endpoint/challenge", None)
        assert proven["trouble"] is None

    async def put_addresses(self, emails: Mapping[str, str]) -> None:
        """Say where artists can be written to."""
        rows = [{"artist": artist, "email": email} for artist, email in emails.items()]
        await self._done("platform", "/v1/contacts", {"contacts": rows})

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report what becomes of the notice, and let some say no, until the block ends."""
        async with asyncio.TaskGroup() as crowd:
            crowd.create_task(self._keep_reporting())
            crowd.create_task(self._keep_saying_no())
            try:
                yield
            finally:
                self._stopped = True

    async def until_called(self, calls: int) -> None:
        """Return a random moment after the messaging has been called so often."""
        await until(lambda: self.messaging.calls >= calls)
        await asyncio.sleep(self.randomness.random() * _REPORT_EVERY_S)

    async def until_sent(self, database_url: str) -> None:
        """Return once everybody has been told and the service knows it."""
        await until(lambda: self.messaging.reached >= len(self.artists))
        await until_settled(database_url)

    async def finish(self) -> None:
        """Report the rest, and what was held back: each artist with the message that told them."""
        await self._report_news()
        rows = [_delivered(artist) | {"message": message} for artist, message in self._later]
        self.randomness.shuffle(rows)
        for some in _portions(rows):
            await self.report(some)
        while len(self.said_no) < _SAYING_NO:
            await self._say_no(self.artists[len(self.said_no)])

    async def _keep_reporting(self) -> None:
        while not self._stopped:
            await asyncio.sleep(_REPORT_EVERY_S)
            await self._report_news()

    async def _report_news(self) -> None:
        rows = []
        for message, artists in list(self.messaging.taken.items()):
            if message not in self._heard:
                self._heard.add(message)
                rows += [row for artist in artists for row in self._fate(artist, message)]
        if rows:
            await self.report(rows)
        if rows and self.randomness.random() < 0.3:
            await self.report(rows)  # under another key: as a platform that has lost its place

    def _fate(self, artist: str, message: str) -> Iterable[dict[str, Any]]:
        chance = self.randomness.random()
        if chance < 0.15:
            self._later.append((artist, message))
        if chance < 0.05:
            yield _delivered(artist) | {"outcome": "bounced"}
        elif chance >= 0.15:
            yield _delivered(artist)

    async def report(self, rows: Sequence[dict[str, Any]]) -> None:
        """Report what became of the notice, until it is known that it was recorded."""
        self._keys += 1
        path = f"/v1/notices/{NOTICE}/deliveries"
        body = {"deliveries": list(rows)}
        self.answers.append(await self._until_told(path, body, "platform", f"report-{self._keys}"))

    async def _keep_saying_no(self) -> None:
        """One artist after the other says no, spread over the sending; each has to come through."""
        for number, artist in enumerate(self.artists[:_SAYING_NO]):
            await until(partial(self._has_reached, len(self.artists) * number // _SAYING_NO))
            if self._stopped:
                return
            await self._say_no(artist)

    def _has_reached(self, artists: int) -> bool:
        return self._stopped or self.messaging.reached >= artists

    async def _say_no(self, artist: str) -> None:
        no = {"answer": "opt_out", "use": USE, "channel": "settings_page"}
        told = await self._until_told(f"/v1/artists/{artist}/consents", no, artist, f"no-{artist}")
        self.said_no[artist] = told["revision"]

    async def _until_told(self, path: str, body: Any, who: str, key: str) -> Any:
        """Ask under one key until it is known what came of it."""
        while True:
            try:
                response = await self.ask("POST", path, body, who=who, key=key)
            except httpx2.TransportError:
                await asyncio.sleep(_REPORT_EVERY_S)
                continue
            if response.is_success:
                return response.json()
            assert response.status_code == 503, response.text[:500]
            await asyncio.sleep(_REPORT_EVERY_S)

    async def _done(self, who: str, path: str, body: Any) -> Any:
        response = await self.ask("POST", path, body, who=who)
        assert response.is_success, response.text
        return response.json()

    async def hold_to_account(self, database_url: str) -> None:
        """See that everybody has the notice once, with the whole window, and that no is lost."""
        self._hold_messaging_to_account()
        closes_at = await self._hold_ledger_to_account(database_url)
        await self._hold_counts_to_account()
        await self._hold_answers_to_account(closes_at)

    def _hold_messaging_to_account(self) -> None:
        assert self.messaging.told == dict.fromkeys(self.artists, 1)
        assert (self.messaging.changed, self.messaging.forged) == (0, 0)

    async def _hold_ledger_to_account(self, database_url: str) -> dict[str, str]:
        """Everybody's one delivery is in the ledger, and the tables say the same of it.

        Returns when each artist's window closes.
        """
        told = await delivered_in_ledger(database_url)
        async with connected(database_url) as connection:
            rows = await connection.fetch(
                "SELECT artist_id, subject, d.revision, delivered_at, closes_at"
                " FROM deliveries d JOIN artists USING (subject) WHERE notice_id = $1",
                NOTICE,
            )
            audience = await connection.fetch(
                "SELECT artist_id FROM audience JOIN artists USING (subject)"
            )
            sends = await connection.fetch(
                "SELECT artist_id, state FROM sends JOIN artists USING (subject)"
            )
            noes = await connection.fetch("SELECT revision FROM consents")
        assert sorted(row["artist_id"] for row in rows) == self.artists
        assert sorted(told) == sorted(
            (row["subject"], row["revision"], to_instant(row["delivered_at"])) for row in rows
        )
        assert {row["closes_at"] - row["delivered_at"] for row in rows} == {PERIOD}
        assert sorted(row["artist_id"] for row in audience) == self.artists
        assert sorted(row["artist_id"] for row in sends) == self.artists
        assert {row["state"] for row in sends} <= {SendState.HANDED_OVER, SendState.NOT_NEEDED}
        assert sorted(row["revision"] for row in noes) == sorted(self.said_no.values())
        return {row["artist_id"]: format_instant(to_instant(row["closes_at"])) for row in rows}

    async def _hold_counts_to_account(self) -> None:
        """What was answered adds up, and the service counts the same."""
        assert sum(answer["delivered"] for answer in self.answers) == len(self.artists)
        counted = await self.ask("GET", f"/v1/notices/{NOTICE}", None, who="platform")
        told, everybody = counted.json(), len(self.artists)
        assert told["audience"] == told["delivered"] == told["window_open"] == everybody
        assert told["reach"] == dict.fromkeys(told["reach"], 0) | {"reached": everybody}
        assert (told["audience_complete"], told["sending"]) == (True, False)
        assert sum(told["sends"]["webhook"].values()) == everybody
        assert told["opted_out"] == len(self.said_no) == _SAYING_NO

    async def _hold_answers_to_account(self, closes_at: Mapping[str, str]) -> None:
        """Nobody is permitted a moment before their own window closes, nor ever after a no."""
        for some in _portions(self.artists):
            body = {"use": USE, "artists": some, "shape": "columns"}
            checked = await self._done("pipeline", "/v1/checks", body)
            results = checked["results"]
            expected = [None if one in self.said_no else closes_at[one] for one in some]
            assert results["artist"] == some
            assert results["permitted_from"] == expected
            assert not any(results["permitted"])
            assert {
                one
                for one, reason in zip(some, results["reason"], strict=True)
                if reason == "opted_out"
            } == self.said_no.keys() & set(some)


async def delivered_in_ledger(database_url: str) -> list[tuple[str, int, Instant]]:
    """Return the delivered artists of all events: reference, revision and time of recording.

    The ledger they are read from is whole: nothing is missing, and its tree is that of its events.
    """
    found = await kept(database_url)
    assert [event.revision for event in found.events] == list(range(1, found.size + 1))
    assert found.stack == b"".join(perfect_subtrees([event.leaf for event in found.events]))
    return [
        (row["subject"], event.revision, event.recorded_at)
        for event in found.events
        if event.kind == Kind.NOTICE_DELIVERED
        for row in msgspec.json.decode(found.batches[event.revision])
        if row["outcome"] == "delivered"
    ]


async def let_leases_run_out(database_url: str) -> None:
    """Let what was under way be free, as it is when the lease's time has passed.

    Of those who still live it is free too: they find another holding what they have sent.
    """
    async with connected(database_url) as connection:
        await connection.execute(
            "UPDATE send_batches SET leased_until = leased_until - $1::interval"
            " WHERE leased_until IS NOT NULL",
            timedelta(seconds=LEASE / SECOND),
        )


async def until_settled(database_url: str) -> None:
    """Return once nothing waits to be sent any more."""
    async with connected(database_url) as connection:

        async def settled() -> bool:
            left = "SELECT EXISTS (SELECT FROM send_batches WHERE due_at IS NOT NULL)"
            return not await connection.fetchval(left)

        await until_found(settled)


def _portions(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS))


def _delivered(artist: str) -> dict[str, Any]:
    return {"artist": artist, "channel": "push", "reported_at": "2020-02-29T12:00:00Z"}
