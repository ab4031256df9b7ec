"""How rightsholders were told of a use, and how many of them answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ARRAY, Select, Text, bindparam, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import Consent, PolicyText
from service.domain import uses
from service.domain.assessment import Reason
from service.domain.consent import Answer
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.evidence.basis import Asked, basis_of
from service.evidence.stood import Stood, read_voices
from service.evidence.wanted import PackWanted

_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Telling:
    """How far the notice of one version has come: artists it reached, and those it did not.

    `closed` are those whose window has ended, `running` those whose window has not.
    """

    announced_at: Instant | None = None
    closed: int = 0
    running: int = 0
    came_back: int = 0
    channels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One version of the use's policy, the languages it was published in, and its telling."""

    version: PolicyVersion
    languages: Sequence[str]
    telling: Telling


@dataclass(slots=True)
class Answered:
    """How many artists' own words hold for the whole column: for all their content."""

    no: int = 0
    yes: int = 0


async def read_told(
    session: ReadSession, wanted: PackWanted, versions: Sequence[PolicyVersion]
) -> list[Told]:
    """Return how each of these versions was told, in order."""
    languages: dict[int, list[str]] = {}
    published = (
        select(col(PolicyText.version), col(PolicyText.locale))
        .where(col(PolicyText.use) == wanted.use)
        .order_by(col(PolicyText.version), col(PolicyText.locale))
    )
    for version, locale in await session.execute(published):
        languages.setdefault(version, []).append(locale)
    tellings = await _read_tellings(session, wanted)
    return [
        Told(one, languages.get(one.version, []), tellings.get(one.version, Telling()))
        for one in versions
    ]


_ARRIVED: Final = (
    text("""
SELECT n.version, n.announced_at,
    (SELECT count(*) FROM deliveries AS d WHERE d.notice_id = n.notice_id
        AND d.revision <= :revision AND d.closes_at <= :as_of) AS closed,
    (SELECT count(*) FROM deliveries AS d WHERE d.notice_id = n.notice_id
        AND d.revision <= :revision AND d.closes_at > :as_of) AS running,
    (SELECT array_agg(DISTINCT d.channel ORDER BY d.channel) FROM deliveries AS d
        WHERE d.notice_id = n.notice_id AND d.revision <= :revision) AS channels,
    (SELECT count(DISTINCT b.subject) FROM bounces AS b WHERE b.notice_id = n.notice_id
        AND b.revision <= :revision AND NOT EXISTS (
            SELECT FROM deliveries AS d WHERE d.notice_id = b.notice_id
                AND d.subject = b.subject AND d.revision <= :revision
        )) AS came_back
FROM notices AS n WHERE n.use = :use AND n.revision <= :revision
""")
    .bindparams(bindparam("as_of", type_=InstantType()))
    .columns(announced_at=InstantType(), channels=ARRAY(Text))
)


async def _read_tellings(session: ReadSession, wanted: PackWanted) -> dict[int, Telling]:
    values: dict[str, Any] = {
        "use": wanted.use,
        "revision": wanted.until_revision,
        "as_of": wanted.as_of,
    }
    return {
        row.version: Telling(
            announced_at=row.announced_at,
            closed=row.closed,
            running=row.running,
            came_back=row.came_back,
            channels=row.channels or (),
        )
        for row in await session.execute(_ARRIVED, values)
    }


async def count_answered(
    session: ReadSession, wanted: PackWanted, versions: Sequence[PolicyVersion]
) -> Answered:
    """Count the artists whose no, and those whose yes, held for all their content at `as_of`.

    It is judged by the rules, so a no that a later yes has lifted is none, and a yes that has
    expired is a no. Erased artists are nobody.
    """
    found = Answered()
    speakers = await session.stream(_speakers(wanted), execution_options={"yield_per": _AT_ONCE})
    async for some in speakers.scalars().partitions():
        stood = Stood()
        await read_voices(session, wanted, list(some), [], stood)
        for subject in some:
            reason = _reason(stood, subject, wanted, versions)
            found.no += reason in {Reason.OPTED_OUT, Reason.OPT_IN_EXPIRED}
            found.yes += reason is Reason.OPTED_IN
    return found


def _speakers(wanted: PackWanted) -> Select[str]:
    return (
        select(col(Consent.subject))
        .where(
            among(col(Consent.use), uses.above(wanted.use)),
            col(Consent.recipient).is_(None) | (col(Consent.recipient) == wanted.recipient),
            col(Consent.content).is_(None),
            col(Consent.answer) != Answer.INHERIT.value,
            col(Consent.revision) <= wanted.until_revision,
        )
        .distinct()
    )


def _reason(
    stood: Stood, subject: str, wanted: PackWanted, versions: Sequence[PolicyVersion]
) -> Reason | None:
    artist = stood.artist(subject, None, wanted.until_revision, wanted.use)
    if artist is None or artist.erased:
        return None
    return basis_of(artist, versions, Asked(wanted.recipient, None, wanted.as_of)).reason
