"""Whether the ledger is in order, as far as this service can tell: what was signed, and verified.

None of it is proof: whoever can write in the database could make these tables say so. Proof is
what outsiders keep, and what `fermata verify` finds when it recomputes everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import LedgerCheckpoint, LedgerHead, Verification
from service.domain.instant import Instant

_FINDINGS: Final = 5
_CHECKPOINTS_BACK: Final = 1_000
"""How many checkpoints back a witness is looked for. Beyond, it has been silent for too long."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The newest checkpoint: how many events it covers, and when it was signed."""

    size: int
    signed_at: Instant


@dataclass(frozen=True, slots=True)
class Cosigned:
    """One witness, and the newest checkpoint it has cosigned among the last thousand, if any."""

    witness: str
    size: int | None
    received_at: Instant | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What `fermata verify --record` found when it was last run.

    `first_wrong` is the first event that something is wrong with, None where none can be named;
    `findings` say in a sentence each what is wrong, the first few of them.
    """

    ended_at: Instant
    revision: int
    root: bytes
    passed: bool
    first_wrong: int | None
    findings: Sequence[str]


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """How large the ledger is, since when, and what of it is signed, cosigned and verified."""

    size: int
    recorded_at: Instant
    signed: Signed | None
    cosigned: Sequence[Cosigned]
    verified: Verified | None

    @property
    def unsigned(self) -> int:
        """How many events no checkpoint covers yet."""
        return self.size - (0 if self.signed is None else self.signed.size)


async def ledger_health(
    session: ReadSession, origin: str, witnesses: Sequence[str]
) -> LedgerHealth:
    """Return the health of the log of that name; `witnesses` are those that are asked to cosign."""
    head = (await session.execute(select(LedgerHead))).scalar_one_or_none()
    return LedgerHealth(
        size=0 if head is None else head.size,
        recorded_at=0 if head is None else head.recorded_at,
        signed=await _signed(session, origin),
        cosigned=await _cosigned(session, origin, witnesses),
        verified=await _verified(session),
    )


async def _signed(session: ReadSession, origin: str) -> Signed | None:
    newest = (
        select(col(LedgerCheckpoint.size), col(LedgerCheckpoint.signed_at))
        .where(col(LedgerCheckpoint.origin) == origin)
        .order_by(col(LedgerCheckpoint.size).desc())
        .limit(1)
    )
    row = (await session.execute(newest)).first()
    return None if row is None else Signed(row.size, row.signed_at)


_COSIGNED: Final = text("""
SELECT DISTINCT ON (s.witness) s.witness, s.size, s.received_at
FROM (
    SELECT size FROM ledger_checkpoints WHERE origin = :origin ORDER BY size DESC LIMIT :back
) AS newest
JOIN ledger_cosignatures AS s ON s.origin = :origin AND s.size = newest.size
ORDER BY s.witness, s.size DESC
""").columns(received_at=InstantType())


async def _cosigned(
    session: ReadSession, origin: str, witnesses: Sequence[str]
) -> Sequence[Cosigned]:
    rows = await session.execute(_COSIGNED, {"origin": origin, "back": _CHECKPOINTS_BACK})
    found = {row.witness: Cosigned(row.witness, row.size, row.received_at) for row in rows}
    names = dict.fromkeys([*witnesses, *found])
    return [found.get(name, Cosigned(name, None, None)) for name in names]


async def _verified(session: ReadSession) -> Verified | None:
    newest = select(Verification).order_by(col(Verification.ended_at).desc()).limit(1)
    row = (await session.execute(newest)).scalar_one_or_none()
    if row is None:
        return None
    findings: Sequence[Mapping[str, Any]] = row.what.get("findings", ())
    return Verified(
        ended_at=row.ended_at,
        revision=row.revision,
        root=row.root,
        passed=row.passed,
        first_wrong=row.what.get("first_wrong_revision"),
        findings=[f"{one['where']}: {one['says']}" for one in findings[:_FINDINGS]],
    )
