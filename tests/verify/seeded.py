"""A ledger with everything in it, signed as it grew, and copies of it to do harm to."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.consents.delegates import grant_delegate, revoke_delegate
from service.domain.consent import Answer, Scope
from service.domain.events import ContentStatus
from service.domain.instant import DAY, SECOND, Instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender, Write
from service.ledger.key_check import require_key
from service.notices.deliveries import DeliveryRow, Outcome, record_deliveries
from service.policies.charter import tighten_charter
from service.policies.publish import publish_policy
from service.rights.erasing import erase_artist
from service.rights.holds import lift_hold, place_hold
from service.rights.period import Period
from service.rights.retention import Kept, set_retention
from service.transparency.keys import KeyType, SigningKey
from service.transparency.note import Note, parse_note
from tests.ledger.seeing import record_seeing
from tests.ledger.writing import KEY as KEK
from tests.ledger.writing import appending, connected, naming, open_ledger, vault
from tests.transparency.logs import KEY, ORIGIN, checkpoints_of, signing

MUSIC: Final = "training.music"
RADIO: Final = "discovery.radio"
FAR: Final[Instant] = 4_000_000_000 * SECOND
ARTISTS: Final = tuple(f"artist-{number}" for number in range(12))
TRACKS: Final = tuple(f"track-{number}" for number in range(20))
WITNESS: Final = SigningKey("witness.example/w1", bytes(range(1, 33)))
PLATFORM: Final = Actor("platform", is_platform=True)
FILLING: Final = 490
"""Events that mean little, so that there are two full tiles and some more events."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """A ledger: the database, what was kept of it outside, and where things are in it."""

    url: str
    notes: tuple[str, ...]
    """Its checkpoints, oldest first."""
    size: int


def _draft(use: str, mode: Mode, text: str, **more: object) -> PolicyDraft:
    recipients = frozenset({"internal", "partner:tuney"})
    known = {"editorial": False, **more}
    return PolicyDraft(use, mode, recipients, 30 * DAY, {"en": text, "de": f"{text}?"}, **known)  # type: ignore[arg-type]


def _says(artist: str, answer: Answer, scope: Scope, until: Instant | None = None) -> Write:
    actor = Actor(artist, is_platform=False)
    return record_seeing(artist, Statement(answer, scope, "settings_page", until), actor)


async def _catalogue(write: Appender) -> None:
    await write.submit(tighten_charter(2 * SECOND))
    await write.submit(naming("training"))
    await write.submit(publish_policy(_draft(RADIO, Mode.OPT_OUT, "We recommend.")))
    await write.submit(register_artists([ArtistRow(one, one.title()) for one in ARTISTS]))
    tracks = [ContentRow(track, (ARTISTS[n % 12],)) for n, track in enumerate(TRACKS)]
    await write.submit(put_content(tracks))
    await write.submit(publish_policy(_draft(MUSIC, Mode.OPT_IN, "May we?")))
    await write.submit(publish_policy(_draft(MUSIC, Mode.OPT_OUT, "We will.")))
    await write.submit(publish_policy(_draft(MUSIC, Mode.OPT_OUT, "We shall.", editorial=True)))
    both = (ARTISTS[0], ARTISTS[1])
    await write.submit(put_content([ContentRow(TRACKS[0], both, isrc="QZES50000001")]))
    await write.submit(put_content([ContentRow(TRACKS[1], both, ContentStatus.DISPUTED)]))


async def _telling(write: Appender) -> None:
    notice = f"{MUSIC}:2"
    reached = [DeliveryRow(one, Outcome.DELIVERED, "email") for one in ARTISTS[:5]]
    missed = [DeliveryRow(one, Outcome.BOUNCED, "email") for one in ARTISTS[5:9]]
    await write.submit(record_deliveries(notice, [*reached, *missed]))
    later = [DeliveryRow(one, Outcome.DELIVERED, "in_app") for one in ARTISTS[4:7]]
    await write.submit(record_deliveries(notice, later))


async def _speaking(write: Appender) -> None:
    for number, artist in enumerate(ARTISTS):
        await write.submit(_says(artist, Answer.OPT_OUT, Scope("training")))
        track = Scope(MUSIC, TRACKS[number], "internal")
        await write.submit(_says(artist, Answer.OPT_IN, track, FAR))
    await write.submit(_says(ARTISTS[2], Answer.INHERIT, Scope("training")))
    label = Actor("label", is_platform=False)
    for artist in ARTISTS[:3]:
        actor = Actor(artist, is_platform=False)
        await write.submit(grant_delegate(artist, "label", actor, may_opt_in=artist == ARTISTS[0]))
    no = Statement(Answer.OPT_OUT, Scope("*"), "api")
    await write.submit(record_seeing(ARTISTS[1], no, label))
    await write.submit(revoke_delegate(ARTISTS[2], "label", PLATFORM))
    ana = Actor(ARTISTS[0], is_platform=False)
    await write.submit(grant_delegate(ARTISTS[0], ARTISTS[11], ana, may_opt_in=False))


async def _rights(write: Appender) -> None:
    await write.submit(set_retention({Kept.IDEMPOTENCY_ANSWERS: Period(days=30)}))
    held = await write.submit(place_hold(ARTISTS[3], "court", "legal"))
    await write.submit(lift_hold(ARTISTS[3], held.body["revision"], "legal"))
    await write.submit(place_hold(ARTISTS[4], "court", "legal"))
    await write.submit(erase_artist(ARTISTS[10]))
    await write.submit(erase_artist(ARTISTS[11]))


async def _filling(write: Appender, start: int) -> None:
    some = range(start, start + FILLING // 2)
    await asyncio.gather(*(write.submit(naming(f"filling.n{number}")) for number in some))


async def seed(url: str) -> Seeded:
    """Write it all, and let it be signed and cosigned on the way."""
    await require_key(url, vault())
    async with appending(url) as write:
        await open_ledger(write)
        await _catalogue(write)
        await _telling(write)
        async with signing(url):
            pass
        await _filling(write, 0)
        await _speaking(write)
        async with signing(url):
            pass
        await _rights(write)
        await _filling(write, FILLING)
        async with signing(url):
            pass
    await _cosign(url)
    async with connected(url) as connection:
        size = await connection.fetchval("SELECT size FROM ledger_head")
    return Seeded(url, tuple(await checkpoints_of(url)), size)


async def _cosign(url: str) -> None:
    """Let a witness sign the newest checkpoint."""
    newest: Note = parse_note((await checkpoints_of(url))[-1])
    line = WITNESS.cosign(newest.text, 1_900_000_000).line()
    async with connected(url) as connection:
        await connection.execute(
            "INSERT INTO ledger_cosignatures SELECT $1, max(size), $2, $3, now() "
            "FROM ledger_checkpoints",
            ORIGIN,
            WITNESS.name,
            line,
        )


@asynccontextmanager
async def copied(server: str, original: str) -> AsyncIterator[str]:
    """Yield the URL of a copy of a database, for whoever wants to change it."""
    name, template = f"copy_{uuid.uuid4().hex}", original.rpartition("/")[2]
    async with connected(server) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield f"{original.rpartition('/')[0]}/{name}"
    finally:
        async with connected(server) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


VERIFIERS: Final = (str(KEY.verifier()), str(WITNESS.verifier(KeyType.WITNESS)))
"""The public keys of the log and of its witness."""

__all__ = ["ARTISTS", "KEK", "MUSIC", "VERIFIERS", "Seeded", "copied", "seed"]
