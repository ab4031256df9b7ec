"""A yes needs what it was shown: what stood on the settings page, and whether it still does (R4).

The state of a page is made of what a yes could mean something else under: every policy version and
name of a use there is, and what each artist on it has been told, has said and has allowed others.
"""

from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ScalarSelect, func, select
from sqlmodel import col

from service.consents.entity_tags import entity_tags
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, Delegate, Delivery, Policy, Use
from service.domain.instant import Instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import canonical

_DIGEST_BYTES: Final = 18


@dataclass(frozen=True, slots=True)
class Seen:
    """The states that somebody had before them when they said yes."""

    states: frozenset[str]


@dataclass(frozen=True, slots=True)
class ArtistState:
    """One artist's last consent, when they were last told, and their delegates' last change."""

    said: int
    told_at: Instant
    delegated: int


@dataclass(frozen=True, slots=True)
class SettingsState:
    """What the settings of some artists, by their references, stand on."""

    published: int
    named: int
    artists: Mapping[str, ArtistState]

    @property
    def tag(self) -> str:
        """The opaque text that stands for this state alone."""
        artists = [
            [subject, one.said, str(one.told_at), one.delegated]
            for subject, one in sorted(self.artists.items())
        ]
        return short_digest(canonical([self.published, self.named, artists]))


def short_digest(body: bytes) -> str:
    """Return 24 characters that stand for the body alone, fit for an entity tag."""
    return urlsafe_b64encode(sha256(body).digest()[:_DIGEST_BYTES]).decode()


def seen_in(if_match: str | None) -> Seen | None:
    """Return what an `If-Match` (RFC 9110 section 13.1.1), or a sheet's etag, says was shown.

    None where it says nothing: no header, `*`, or no entity tag. A weak tag matches nothing.
    """
    tags = entity_tags(if_match or "")
    if not tags:
        return None
    return Seen(frozenset(tag.opaque.partition(".")[0] for tag in tags if not tag.weak))


async def state_of(session: ReadSession, subjects: Collection[str]) -> SettingsState:
    """Return the state of these artists' settings, in one query."""
    rows = await session.execute(
        select(
            col(Artist.subject),
            _latest(col(Consent.revision), col(Consent.subject)),
            _latest(col(Delivery.delivered_at), col(Delivery.subject)),
            _latest(col(Delegate.revision), col(Delegate.subject)),
            select(func.max(col(Policy.revision))).scalar_subquery(),
            select(func.max(col(Use.revision))).scalar_subquery(),
        ).where(among(col(Artist.subject), subjects))
    )
    published = named = 0
    artists: dict[str, ArtistState] = {}
    for subject, said, told_at, delegated, latest, name in rows:
        published, named = latest or 0, name or 0
        artists[subject] = ArtistState(said or 0, told_at or 0, delegated or 0)
    return SettingsState(published, named, artists)


def _latest(value: Any, subject: Any) -> ScalarSelect[Any]:
    return select(func.max(value)).where(subject == col(Artist.subject)).scalar_subquery()


async def refuse_unseen(session: ReadSession, subjects: Collection[str], seen: Seen | None) -> None:
    """Raise Refused unless what was seen is what stands now, in this very transaction."""
    if seen is None:
        message = (
            "a yes is given to what was shown: send the ETag of the settings it was given on, as "
            'it was received, in If-Match ("*" names nothing)'
        )
        raise refuse(
            "If-Match", "precondition_required", message, RefusalKind.PRECONDITION_REQUIRED
        )
    if (await state_of(session, subjects)).tag not in seen.states:
        message = (
            "something was published, delivered or said since these settings were read (or their "
            "ETag was weakened on the way): show them anew and ask again"
        )
        raise refuse("If-Match", "outdated_settings", message, RefusalKind.OUTDATED)
