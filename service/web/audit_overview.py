"""`/audit`: how the ledger is, and what there is to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.audit.bounded import Counted, Size, TooMuch, bounded, size_of
from service.audit.decisions import decisions_in_files
from service.audit.ledger_health import LedgerHealth, ledger_health
from service.audit.notices import Coverage, coverages
from service.db.tables import Export
from service.domain.instant import DAY, SECOND, Duration, Instant
from service.exports.jobs import list_exports
from service.notices.progress import NoticeState
from service.transparency.witness_at import parse_witness
from service.web.audit_frame import answer
from service.web.context import AUDIT, WebServices, auditor, web_of

_COUNTED: Final[tuple[Counted, ...]] = (
    "artists",
    "content",
    "policies",
    "notices",
    "deliveries",
    "consents",
    "decisions",
)
_EXPORTS: Final = 5
_UNITS: Final = (DAY, 3_600 * SECOND, 60 * SECOND)
_LATE: Final = 60 * SECOND
"""How long after it has grown the ledger should have been signed, with room for a slow disk."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Shows the ledger's health, how much there is, notices that wait for somebody, and exports.

    `age` is that of the newest checkpoint, rounded; None where there is none.
    `late` says that events have been waiting to be signed for too long; `refusal` why nothing is
    signed any more, or None. `sizes` and `pending` are None where counting took too long.
    """

    template: ClassVar[str] = "audit/overview.html.j2"

    health: LedgerHealth
    age: Duration | None
    late: bool
    refusal: str | None
    sizes: Mapping[Counted, Size] | None
    pending: Sequence[Coverage] | None
    exports: Sequence[Export]


async def overview(request: Request) -> Response:
    """Answer the page that everybody starts from."""
    session, web = auditor(request), web_of(request)
    now = web.clock.now()
    witnesses = [parse_witness(one).key.name for one in web.settings.log_witnesses]
    async with web.database.read() as reading:
        health = await ledger_health(reading, web.publication.origin, witnesses)
        exports = await list_exports(reading, limit=_EXPORTS)
    refusal = web.signer.refusal
    page = Overview(
        health=health,
        age=None if health.signed is None else _rounded(now - health.signed.signed_at),
        late=health.unsigned > 0 and now - health.recorded_at > _LATE,
        refusal=None if refusal is None else str(refusal),
        sizes=await _sizes(web),
        pending=await _pending(web, now),
        exports=exports,
    )
    return await answer(request, session, page, "overview")


def _rounded(age: Duration) -> Duration:
    """Return an age in whole days, hours, minutes or seconds, of which there are at least two."""
    unit = next((unit for unit in _UNITS if age >= 2 * unit), SECOND)
    return max(0, age // unit * unit)


async def _sizes(web: WebServices) -> Mapping[Counted, Size] | None:
    try:
        async with web.database.read() as reading, bounded(reading, seconds=3):
            sizes = {table: await size_of(reading, table) for table in _COUNTED}
            moved = await decisions_in_files(reading)
    except TooMuch:
        return None
    logged = sizes["decisions"]
    return sizes | {"decisions": Size(logged.rows + moved, logged.exact)}


async def _pending(web: WebServices, now: Instant) -> Sequence[Coverage] | None:
    """Return the newest notices that still wait for an artist or for a window."""
    try:
        async with web.database.read() as reading, bounded(reading, seconds=3):
            found = await coverages(reading, now)
    except TooMuch:
        return None
    under_way = (NoticeState.WAITING, NoticeState.CURRENT)
    return [one for one in found.notices if one.state in under_way and (one.waiting or one.running)]


ROUTES: Final = (Route(AUDIT, overview, name="audit"),)
