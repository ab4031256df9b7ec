"""Two months of a platform's life, made by its own API while its clocks were in the past.

Several tests look at the one database, and none changes it.
"""

import asyncio
import atexit
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import asyncpg

from service.auth.local_grant import development_clients
from service.auth.local_issuer import LocalIssuer
from service.auth.scopes import Scope
from service.clock import SystemClock
from service.domain.instant import DAY, Instant
from tests.api.door import ADDRESS, SECRET, Door, connected, make_clock_movable, open_door
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, machine, person
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story

DAYS: Final = 60
ARTISTS: Final[Sequence[str]] = tuple(f"artist-{n:02}" for n in range(1, 25))
PARTNER: Final = "partner:deep-crate"
TRAINER: Final = machine("batch-trainer", Scope.CHECK)
RANKER: Final = "ranker/ö 2"
"""A pipeline that the first client asks for by AuthZEN, beside what it asks for by itself."""
ODD: Final = "label/ö 1"
"""An artist's id that has to be escaped wherever it stands in an address."""
_PATH_OF_ODD: Final = quote(ODD, safe="")
TRACK: Final = "tracks/7"
ISRC: Final = "DEZ990000001"


_LOOKED_AT: Final = """
INSERT INTO audience
SELECT n.notice_id, a.subject, n.announced_at FROM notices AS n, artists AS a WHERE n.version = 2;
INSERT INTO announcements
SELECT n.notice_id, (SELECT max(revision) FROM artists), 'g', NULL FROM notices AS n
WHERE n.version = 2
"""
"""What a worker would have found: everybody is to be told of second versions."""


class PastClock(SystemClock):
    """This machine's clock, two months and a day behind."""

    def now(self) -> Instant:
        """Return an instant before everything that happens here."""
        return super().now() - (DAYS + 1) * DAY


@dataclass(frozen=True, slots=True)
class History:
    """Where it all lies: the database's URL, and the folder of its exports."""

    url: str
    exports: str


@cache
def _known() -> dict[str, History]:
    return {}


def history_in(server: str) -> History:
    """Return the one history on a server; made when first asked for."""
    known = _known()
    if server not in known:
        known[server] = asyncio.run(_made(server))
    return known[server]


async def _made(server: str) -> History:
    name = f"history_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE fermata_template")
    finally:
        await connection.close()
    url = f"{server.rpartition('/')[0]}/{name}"
    await make_clock_movable(url)
    async with connected(url) as connection:
        await connection.execute("UPDATE moved.ahead SET by = $1", timedelta(days=-DAYS))
    issuer = LocalIssuer(ADDRESS, "fermata", PastClock(), clients=development_clients(SECRET))
    place = mkdtemp(prefix="fermata-exports-")
    atexit.register(rmtree, place, ignore_errors=True)
    exporting = {"exports": place, "build_exports": True}
    async with open_door(url, issuer, ahead=-DAYS * DAY, **exporting) as door:
        await _live(door)
        await _export(door)
    async with connected(url) as connection:
        await connection.execute(_LOOKED_AT)
    return History(url, place)


async def _live(door: Door) -> None:
    """Let two months pass, a day at a time."""
    story, chance = Story(door), random.Random(7)
    await _begin(story)
    for day in range(DAYS):
        await _events_of(day, story, chance)
        for by, use in ((PIPELINE, RECOMMENDATION), (TRAINER, MUSIC)):
            tracks = chance.sample(ARTISTS, 3 + chance.randrange(12))
            await story.check(use, *(f"track-of-{one}" for one in tracks), by=by)
        await _rank(door, f"track-of-{tracks[0]}")
        await door.advance(timedelta(days=1))
    await story.check(RECOMMENDATION, TRACK)
    await door.done("POST", "/v1/checks", {"use": VOICE, "artists": [ODD, "nobody"]}, by=PIPELINE)


async def _rank(door: Door, track: str) -> None:
    """Let another pipeline of the same client ask."""
    access = {
        "subject": {"type": "pipeline", "id": RANKER},
        "action": {"name": RECOMMENDATION},
        "resource": {"type": "track", "id": track},
    }
    await door.done("POST", "/access/v1/evaluation", access, by=PIPELINE)


async def _export(door: Door) -> None:
    """Ask for two exports, and wait until one is ready."""
    body = {"datasets": ["consents", "deliveries"], "format": "csv", "filters": {"use": VOICE}}
    asked = await door.done("POST", "/v1/exports", body, by=AUDITOR)
    path = f"/v1/exports/{asked['export_id']}"
    async with asyncio.timeout(30):
        while (await door.done("GET", path, by=AUDITOR))["state"] != "ready":  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0.01)
    body = {"datasets": ["consents"], "filters": {"artist": ODD}}
    gone = await door.done("POST", "/v1/exports", body, by=AUDITOR)
    await door.ask("DELETE", f"/v1/exports/{gone['export_id']}", by=AUDITOR)


async def _begin(story: Story) -> None:
    await story.open_charter()
    await story.publish(RECOMMENDATION, "opt_out", "internal")
    await story.publish(MUSIC, "opt_in", "internal")
    await story.publish(VOICE, "opt_in", "internal")
    await story.register(*ARTISTS, ODD)
    for one in ARTISTS:
        await story.put(f"track-of-{one}", one)
    row = {
        "content": TRACK,
        "title": "Night Bus",
        "isrc": ISRC,
        "rightsholders": [ODD, ARTISTS[0]],
    }
    await story.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)
    await story.put(TRACK, ODD, ARTISTS[1], status="disputed")
    row["rightsholders"] = [ODD, ARTISTS[1]]
    await story.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)


async def _events_of(day: int, story: Story, chance: random.Random) -> None:
    if day == 5:
        await story.publish(VOICE, "opt_out", "internal")
        await story.say(_PATH_OF_ODD, "opt_in", MUSIC, by=person(ODD))
        await story.say(_PATH_OF_ODD, "opt_out", VOICE, by=person(ODD), content=TRACK)
        path = f"/v1/artists/{_PATH_OF_ODD}/delegates/label"
        await story.door.done("PUT", path, {"may_opt_in": False}, by=person(ODD))
    if day in {8, 9, 12, 55}:
        some = chance.sample(ARTISTS, 5)
        await story.deliver(f"{VOICE}:2", *some)
    if day == 13:
        await story.deliver(f"{VOICE}:2", ODD, *ARTISTS[:2], outcome="bounced")
        await story.deliver(f"{VOICE}:2", ODD)
    if day == 40:
        await story.publish(RECOMMENDATION, "opt_out", "internal", PARTNER)
        await story.deliver(f"{RECOMMENDATION}:2", *ARTISTS[:9])
    for one in chance.sample(ARTISTS, chance.randrange(4) + (6 if day in {9, 41} else 0)):
        use = chance.choice(["*", "training", MUSIC, VOICE, RECOMMENDATION])
        await story.say(one, _answer(use, chance), use)


def _answer(use: str, chance: random.Random) -> str:
    """Return what somebody says; a yes only where there is something to say yes to."""
    return chance.choices(["opt_out", "opt_in", "inherit"], [5, 4, 1])[0]
