"""Random histories, played over HTTP at their own instants, are answered as the judge answers.

They are asked about while they happen, for any instant of their past, and for what is to come.
`FERMATA_HISTORIES=3000` plays that many; `FERMATA_SEED` plays the same ones again.
"""

import os
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any, Final

import asyncpg
import pytest

from service.domain.instant import Instant, format_instant, parse_instant
from tests.api.door import Door, connected, make_issuer, open_door
from tests.api.people import AUDITING_PIPELINE, PIPELINE, POLICY_DESK
from tests.journeys.judged import acting_under, disagreement
from tests.journeys.retold import Event, Retold
from tests.judge.histories import RECIPIENTS, STRANGER, edge_instants
from tests.ledger.playing import playable
from tests.ledger.stopped_clock import set_clock, stop_clock

AT_ONCE: Final = 10
"""Histories in one ledger."""
HISTORIES: Final = int(os.environ.get("FERMATA_HISTORIES", "60"))
CHECKS: Final = 16
"""Requests about each history, once it is over."""


class Replay:
    """One ledger, its clock, and the histories that happen in it."""

    def __init__(
        self, door: Door, clock: asyncpg.Connection, histories: list[Retold], rng: random.Random
    ) -> None:
        """Start before anything has happened."""
        self._door = door
        self._clock = clock
        self._histories = histories
        self._judged = [history.for_the_judge() for history in histories]
        self._edges = [edge_instants(judged) for judged in self._judged]
        self._rng = rng
        self.told: dict[int, Instant] = {}
        self.seen: Counter[str] = Counter()
        self.compared: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []

    async def play(self) -> None:
        """Let everything happen in order, asking in between."""
        happenings = sorted(
            (
                (at, history, event)
                for history in self._histories
                for at, event in history.happenings()
            ),
            key=itemgetter(0),
        )
        await self._door.done("POST", "/v1/charter", CHARTER, by=POLICY_DESK)
        for (at, history, event), (until, _, _) in zip(
            happenings, [*happenings[1:], (happenings[-1][0] + 1, None, None)], strict=True
        ):
            await self._happen(at, history, event)
            if self._rng.random() < 0.1:
                await self._ask_now(history, at)
            to_ask = [
                (edge, other.number, other)
                for other in self._histories
                for edge in within(self._edges[other.number], at, until)
                if self._rng.random() < 0.5
            ]
            for edge, _, other in sorted(to_ask, key=itemgetter(0, 1)):  # time goes forward
                await self._ask_now(other, edge)

    async def _happen(self, at: Instant, history: Retold, event: Event) -> None:
        await set_clock(self._clock, at)
        request = history.request(event)
        response = await self._door.ask_seeing("POST", request.path, request.body, by=request.by)
        assert response.is_success, response.text
        revision = response.json()["revision"]
        if revision > max(self.told, default=1):
            self.told[revision] = at  # what changes nothing is no event

    async def _ask_now(self, history: Retold, now: Instant) -> None:
        """Ask a strong check at the ledger's present, which is set to be `now`."""
        await set_clock(self._clock, now)
        await self._ask(history, now, {}, present=True)

    async def ask_about_any_time(self) -> None:
        """Ask about the past and the future of each history: at, before and after every edge."""
        end = max(judged["events"][-1]["at"] for judged in self._judged)
        for history in self._histories:
            instants = [
                edge + nudge for edge in self._edges[history.number] for nudge in (-1, 0, 1)
            ]
            to_come = [instant for instant in instants if instant >= end] or [end]
            for _ in range(CHECKS):
                instant = self._rng.choice(self._rng.choice((instants, instants, to_come)))
                more: dict[str, Any] = {"at": format_instant(instant)}
                if self._rng.random() < 0.15:
                    more["min_policy_version"] = self._rng.randint(1, 4)
                await self._ask(history, instant, more, present=False)

    async def _ask(
        self, history: Retold, instant: Instant, more: dict[str, Any], *, present: bool
    ) -> None:
        judged = self._judged[history.number]
        uses = sorted({e["use"] for e in judged["events"] if e["type"] == "policy"})
        column = {
            "use": self._rng.choice(uses),
            "recipient": self._rng.choice((*RECIPIENTS * 12, "partner:other")),
        }
        kind = self._rng.choice(("content", "content", "content", "artist"))
        asked = everybody(judged, kind)
        wire = {"content": "content", "artist": "artists"}[kind]
        body = {**column, **more, "use": history.use(column["use"])}
        body[wire] = [history.name(one) for one in asked]
        by = PIPELINE if present else AUDITING_PIPELINE
        answer = await self._door.done("POST", "/v1/checks", body, by=by)
        assert parse_instant(answer["evaluated_at"]) == instant
        for one, result in zip(asked, answer["results"], strict=True):
            check = {**column, kind: one, **more, "at": instant}
            judge = acting_under if "min_policy_version" in more else disagreement
            differs = judge(judged, check, result)
            assert differs is None, (differs, check, result, judged)
            self.seen[result["reason"]] += 1
            if judge is disagreement:
                self.compared.append((judged, check, result))


def everybody(judged: dict[str, Any], kind: str) -> list[str]:
    """Return all artists, or all content, that a history speaks of, and one it does not."""
    named = {e[kind] for e in judged["events"] if e["type"] == kind}
    return [*sorted(named), STRANGER]


CHARTER: Final = {"platform": "Example Sounds", "min_notice_period": "PT1S"}


def within(instants: list[Instant], since: Instant, until: Instant) -> Iterator[Instant]:
    """Return the sorted instants after `since` and before `until`."""
    for instant in instants[bisect_right(instants, since) :]:
        if instant >= until:
            return
        yield instant


@asynccontextmanager
async def replayed(url: str, seed: int) -> AsyncIterator[Replay]:
    """Run the service over a ledger with a stopped clock, and some histories to be told."""
    rng = random.Random(seed)
    histories = [Retold(number, playable(rng)) for number in range(AT_ONCE)]
    await stop_clock(url)
    async with connected(url) as clock:
        # Before the service first reads it: its time only goes forward.
        await set_clock(clock, min(at for one in histories for at, _ in one.happenings()) - 1)
        async with open_door(
            url, make_issuer(), max_clock_disagreement_ms=10**15, head_timeout_ms=30_000
        ) as door:
            yield Replay(door, clock, histories, rng)


async def recorded(url: str) -> dict[int, Instant]:
    """Return when each event was recorded, the charter's aside."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT revision, (extract(epoch FROM recorded_at) * 1000000)::bigint AS at"
            " FROM ledger WHERE revision > 1"
        )
    return {row["revision"]: row["at"] for row in rows}


@pytest.mark.parametrize("part", range(-(-HISTORIES // AT_ONCE)))
async def test_every_answer_is_the_judges(database_url: str, part: int) -> None:
    """Permitted or not, the reason, the version and the interval, for every content and artist."""
    seed = int(os.environ.get("FERMATA_SEED") or random.getrandbits(32)) + part
    print(f"FERMATA_SEED={seed} FERMATA_HISTORIES={AT_ONCE} plays these again")  # noqa: T201
    async with replayed(database_url, seed) as replay:
        await replay.play()
        assert replay.told == await recorded(database_url)
        await replay.ask_about_any_time()
        assert replay.seen.total() > AT_ONCE * CHECKS * 3
        for judged, check, result in replay.compared[::50]:
            for wrong in falsified(result):
                assert disagreement(judged, check, wrong) is not None


def falsified(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the result with one thing wrong in it, to see that the comparison would find it."""
    yield {**result, "permitted": not result["permitted"]}
    yield {**result, "reason": "open" if result["reason"] == "unknown_use" else "unknown_use"}
    yield {**result, "policy_version": (result["policy_version"] or 0) + 1}
    if not result["permitted"]:
        yield {**result, "permitted_from": "2020-01-01T00:00:00Z", "valid_until": None}
    if result["valid_until"] is not None and result["permitted"]:
        until = parse_instant(result["valid_until"])
        yield {**result, "valid_until": format_instant(until + 1)}
        yield {**result, "valid_until": None}
