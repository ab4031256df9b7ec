"""What every permit rested on: one row for each rightsholder of each content that was permitted.

    judged(n, decision, permits, content, title, isrc, position, rightsholders, subject,
           rightsholder, erased, basis, policy_version, consent_…, bound_by, …, decision_…, agrees,
           registered_at)

Permits that rest on the same are judged once: `decision` is the last of them, `permits` how many
there are. It is worked out from what stood at the decision's revision, and held against what was
answered: `agrees` is whether both say the same, null where a rightsholder has been erased since and
what they said is gone with them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from service.db.engine import ReadSession
from service.domain.assessment import PERMITS, Reason
from service.domain.events import ContentStatus
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.evidence.basis import Asked, Basis, Origin, basis_of
from service.evidence.scratch import Scratch
from service.evidence.standing import Permit, standing_permits
from service.evidence.stood import Put, Stood
from service.evidence.wanted import PackWanted

JUDGED: Final = pa.schema(
    [
        pa.field("n", pa.int64()),
        pa.field("decision", pa.int64()),
        pa.field("permits", pa.int64()),
        pa.field("content", pa.string()),
        pa.field("title", pa.string()),
        pa.field("isrc", pa.string()),
        pa.field("position", pa.int32()),
        pa.field("rightsholders", pa.int32()),
        pa.field("subject", pa.string()),
        pa.field("rightsholder", pa.string()),
        pa.field("erased", pa.bool_()),
        pa.field("basis", pa.string()),
        pa.field("policy_version", pa.int32()),
        pa.field("consent_revision", pa.int64()),
        pa.field("consent_recorded_at", pa.int64()),
        pa.field("consent_use", pa.string()),
        pa.field("consent_content", pa.string()),
        pa.field("consent_recipient", pa.string()),
        pa.field("consent_expires_at", pa.int64()),
        pa.field("consent_given_as", pa.string()),
        pa.field("consent_given_by", pa.string()),
        pa.field("bound_by", pa.string()),
        pa.field("bound_version", pa.int32()),
        pa.field("delivery_revision", pa.int64()),
        pa.field("window_opened_at", pa.int64()),
        pa.field("window_closed_at", pa.int64()),
        pa.field("decision_id", pa.string()),
        pa.field("decision_revision", pa.int64()),
        pa.field("decided_at", pa.int64()),
        pa.field("agrees", pa.bool_()),
        pa.field("registered_at", pa.int64()),
    ]
)

WINDOW: Final = "window"
LAUNCH_TERMS: Final = "launch_terms"

# Tables that DuckDB keeps as they are described here.
_CREATE: Final = "CREATE TABLE judged AS SELECT * FROM part"
_ADD: Final = "INSERT INTO judged SELECT * FROM part"


@dataclass(frozen=True, slots=True)
class _Part:
    """One rightsholder's part in one permit. `basis` is None where it cannot be worked out."""

    subject: str
    erased: bool
    basis: Basis | None


async def lay_out_judged(
    session: ReadSession, wanted: PackWanted, versions: Sequence[PolicyVersion], scratch: Scratch
) -> None:
    """Fill `judged`. `versions` are all of the use's that there were at `until_revision`."""
    await scratch.insert(_CREATE, JUDGED.empty_table())
    async for stood, some in standing_permits(session, wanted, versions, scratch):
        rows = [row for one in _Looking(wanted, versions, stood).at(some) for row in one]
        await scratch.insert(_ADD, pa.Table.from_pylist(rows, JUDGED))


class _Looking:
    """Looks at some permits. The same state judged at the same instant is judged once."""

    def __init__(self, wanted: PackWanted, versions: Sequence[PolicyVersion], stood: Stood) -> None:
        """Take what stood for the permits' content."""
        self._wanted = wanted
        self._versions = versions
        self._stood = stood
        self._judged: dict[tuple[int, int, Instant, int], Basis] = {}

    def at(self, some: Sequence[Permit]) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of each permit."""
        for permit in some:
            put = self._stood.put(permit.content, permit.revision)
            parts = [self._part(permit, one) for one in (put.rightsholders if put else ())]
            agrees = _agrees(permit, put, parts)
            rows = [self._row(place, part) for place, part in enumerate(parts, start=1)]
            yield [self._of_permit(permit, len(parts), agrees=agrees) | row for row in rows or [{}]]

    def _part(self, permit: Permit, subject: str) -> _Part:
        known = self._stood.artists.get(subject)
        if known is not None and known.erased:
            return _Part(subject, erased=True, basis=None)
        artist = self._stood.artist(subject, permit.content, permit.revision, self._wanted.use)
        if artist is None:
            return _Part(subject, erased=False, basis=None)
        known_versions = [one for one in self._versions if one.revision <= permit.revision]
        key = (id(artist), len(known_versions), permit.evaluated_at, permit.min_version)
        if key not in self._judged:
            asked = Asked(
                self._wanted.recipient, permit.content, permit.evaluated_at, permit.min_version
            )
            self._judged[key] = basis_of(artist, known_versions, asked)
        return _Part(subject, erased=False, basis=self._judged[key])

    def _of_permit(self, permit: Permit, number: int, *, agrees: bool | None) -> dict[str, Any]:
        """Return what the rows of a permit have in common. A permit that nothing bears has one."""
        puts = self._stood.puts.get(permit.content)
        title, isrc = self._stood.named.get(permit.content, (None, None))
        return {
            "n": permit.n,
            "decision": permit.decision,
            "permits": permit.number,
            "content": permit.content,
            "title": title,
            "isrc": isrc,
            "rightsholders": number,
            "erased": False,
            "decision_id": permit.decision_id,
            "decision_revision": permit.revision,
            "decided_at": permit.evaluated_at,
            "agrees": agrees,
            "registered_at": puts[0].put_at if puts else None,
        }

    def _row(self, position: int, part: _Part) -> dict[str, Any]:
        known = self._stood.artists.get(part.subject)
        return {
            "position": position,
            "subject": part.subject,
            "rightsholder": known.artist_id if known else None,
            "erased": part.erased,
            **self._of_basis(part),
        }

    def _of_basis(self, part: _Part) -> dict[str, Any]:
        basis = part.basis
        if basis is None or basis.reason not in PERMITS:
            return {}
        found: dict[str, Any] = {
            "basis": basis.reason.value,
            "policy_version": basis.policy_version,
        }
        if basis.origin is not None:
            return found | self._of_origin(part.subject, basis.origin)
        return found | self._of_yes(part.subject, basis)

    def _of_yes(self, subject: str, basis: Basis) -> dict[str, Any]:
        if basis.yes is None:
            return {}
        said = self._stood.saying(subject, basis.yes.revision)
        return {
            "consent_revision": basis.yes.revision,
            "consent_recorded_at": basis.yes.recorded_at,
            "consent_use": basis.yes.scope.use,
            "consent_content": basis.yes.scope.content,
            "consent_recipient": basis.yes.scope.recipient,
            "consent_expires_at": basis.yes.expires_at,
            "consent_given_as": said.acting_as,
            "consent_given_by": said.actor,
        }

    def _of_origin(self, subject: str, origin: Origin) -> dict[str, Any]:
        if origin.window is None:
            return {"bound_by": LAUNCH_TERMS, "bound_version": origin.version}
        return {
            "bound_by": WINDOW,
            "bound_version": origin.version,
            "delivery_revision": self._stood.arrival(subject, origin.version).revision,
            "window_opened_at": origin.window.opens_at,
            "window_closed_at": origin.window.closes_at,
        }


def _agrees(permit: Permit, put: Put | None, parts: Sequence[_Part]) -> bool | None:
    """Tell whether the rules say today what was answered, or None where nobody can know."""
    if put is None or put.status is not ContentStatus.ACTIVE:
        return False
    found = [part.basis for part in parts if not part.erased]
    if not parts or not all(basis and basis.reason in PERMITS for basis in found):
        return False  # one no is enough (R8), whoever else has been erased
    if len(found) < len(parts):
        return None
    first = found[0]
    answered = (Reason(permit.reason), permit.policy_version)
    return first is not None and (first.reason, first.policy_version or 0) == answered
