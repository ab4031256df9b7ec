"""`/audit/search`: whatever has an id, found by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.audit.bounded import bounded
from service.audit.decisions import has_decision
from service.audit.finding import LONGEST, Found, find
from service.web.audit_frame import address, answer
from service.web.context import AUDIT, auditor, web_of


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that has the id. `kind` is "artist", "content", "notice", "decision" and so on."""

    kind: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Lists everything that has an id, where it is not exactly one thing."""

    template: ClassVar[str] = "audit/found.html.j2"

    wanted: str
    hits: Sequence[Hit]


async def search(request: Request) -> Response:
    """Lead to the one thing that has the id `q`, or list them, or say that nothing has."""
    session, web = auditor(request), web_of(request)
    wanted = request.query_params.get("q", "").strip()[: LONGEST + 1]
    async with web.database.read() as reading, bounded(reading):
        found = await find(reading, wanted)
    async with web.database.read() as reading, bounded(reading):
        decision = await has_decision(reading, web.sealed, wanted)
    hits = _hits(wanted, found, decision=decision)
    if len(hits) == 1:
        return RedirectResponse(hits[0].address, HTTPStatus.SEE_OTHER.value)
    return await answer(request, session, FoundPage(wanted[:LONGEST], hits))


def _hits(wanted: str, found: Found, *, decision: bool) -> Sequence[Hit]:
    single = (
        ("artist", "artists", found.artist),
        ("erased artist", "erased", found.erased),
        ("notice", "notices", found.notice),
        ("decision", "decisions", decision),
        ("export", "exports", found.export),
    )
    hits = [Hit(kind, wanted, address(place, wanted)) for kind, place, there in single if there]
    hits += [Hit("content", one, address("content", one)) for one in found.contents]
    if found.revision is not None:
        hits.append(Hit("event of the ledger", wanted, f"/log/proof/{found.revision}"))
    return hits


ROUTES: Final = (Route(f"{AUDIT}/search", search, name="audit_search"),)
