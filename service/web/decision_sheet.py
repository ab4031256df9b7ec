"""`/audit/decisions/{id}`: the sheet for one answer, to be printed and taken to court.

A decision about many is asked which answer is meant first. The sheet says in plain words what its
JSON says in fields: the same chain, the same proofs, and the statement that signs that JSON.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.decisions.log.entry import Entry, Outcome, artists_of
from service.decisions.log.name import is_name
from service.decisions.question import About
from service.domain.instant import Instant
from service.domain.merkle import leaf_hash
from service.domain.refusal import Refused
from service.ledger.events import canonical
from service.replay.chain import Chain
from service.replay.excerpt import ReadEvent, rows_about
from service.replay.sheet import Sheet
from service.replay.sheets import WhichOutcome
from service.web.audit_frame import answer, note_look, whole_number
from service.web.context import AUDIT, WebServices, auditor, web_of

_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """One event as the sheet prints it: its bytes, which are text, and the way to the root.

    `rows` are those of a bulk event's batch about what was asked, as text, by their place; `said`
    is what the entry commits to and `key` opens it, both None where nobody said anything or it is
    destroyed. Hashes are standard base64, but for `leaf_hash` and `digest`: hexadecimal.
    """

    revision: int
    recorded_at: Instant
    kind: str
    entry: str
    leaf_hash: str
    hashes: Sequence[str]
    digest: str | None
    rows: Sequence[tuple[int, str]]
    said: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class SheetPage:
    """Shows one answer and everything that it rests on, with proofs.

    `name` is what was asked about: a content's id, or an artist's where there still is one.
    `statement` signs the same sheet as JSON.
    """

    template: ClassVar[str] = "audit/decision.html.j2"

    sheet: Sheet
    name: str | None
    events: Sequence[ProvenEvent]
    statement: str


@dataclass(frozen=True, slots=True)
class OutcomesPage:
    """Lists answers of a decision about many, in the order asked, each with the way to its sheet.

    `names` are what they are about; None is an artist who was erased, or whom nobody knew.
    `first` is the place of the first that is listed, `following` that of the next ones.
    """

    template: ClassVar[str] = "audit/decision_outcomes.html.j2"

    entry: Entry
    first: int
    outcomes: Sequence[Outcome]
    names: Sequence[str | None]
    following: int | None


async def decision(request: Request) -> Response:
    """Answer the sheet, `position` saying which answer's, or the list of answers to choose from.

    Raises HTTPException 404 where there is no such decision or answer.
    """
    session, web = auditor(request), web_of(request)
    decision_id = request.path_params["decision"]
    if not is_name(decision_id):
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    position = _position(request)
    if position is None:
        page = await _outcomes(web, decision_id, whole_number(request, "start") or 0)
        if page is not None:
            of_artists = page.entry.about is About.ARTISTS
            note_look(
                session,
                "decision",
                decision_id,
                {one.one for one in page.outcomes} if of_artists else (),
            )
            return await answer(request, session, page, "decisions")
    try:
        sheet = await web.sheets.sheet(decision_id, WhichOutcome(position))
    except Refused as refused:
        raise HTTPException(HTTPStatus.NOT_FOUND.value) from refused
    subjects = [part.subject for part in sheet.chain.parts]
    note_look(session, "decision", decision_id, subjects)
    return await answer(request, session, sheet_page(web, sheet), "decisions")


def _position(request: Request) -> int | None:
    if request.query_params.get("position") == "0":
        return 0
    return whole_number(request, "position")


async def _outcomes(web: WebServices, decision_id: str, first: int) -> OutcomesPage | None:
    """Return the list to choose from, or None where there is nothing to choose."""
    found = await web.sheets.outcomes(decision_id, first=first, most=_LISTED)
    if found is None or found.entry.number == 1:
        return None
    names: Sequence[str | None] = [one.one for one in found.outcomes]
    if found.entry.about is About.ARTISTS:
        async with web.database.read() as reading:
            known = await artists_of(reading, [one.one for one in found.outcomes])
        names = [known.get(one.one) for one in found.outcomes]
    last = first + len(found.outcomes)
    following = last if last < found.entry.number else None
    return OutcomesPage(found.entry, first, found.outcomes, names, following)


def sheet_page(web: WebServices, sheet: Sheet) -> SheetPage:
    """Return what the page of a sheet shows."""
    name: str | None = sheet.outcome.one
    if sheet.entry.about is About.ARTISTS:
        name = sheet.chain.artist_ids.get(sheet.outcome.one)
    return SheetPage(
        sheet=sheet,
        name=name,
        events=[_proven(sheet, one) for one in sheet.chain.events.values()],
        statement=web.sheets.document(sheet)["statement"],
    )


def _proven(sheet: Sheet, one: ReadEvent) -> ProvenEvent:
    event = one.event
    opening = sheet.openings.get(event.revision)
    return ProvenEvent(
        revision=event.revision,
        recorded_at=event.recorded_at,
        kind=event.kind.value,
        entry=one.leaf.decode(),
        leaf_hash=leaf_hash(one.leaf).hex(),
        hashes=[_encoded(each) for each in sheet.proofs[event.revision].hashes],
        digest=event.public.get("digest"),
        rows=_rows(sheet.chain, one),
        said=None if opening is None else opening.details.decode(),
        key=None if opening is None else _encoded(opening.key),
    )


def _rows(chain: Chain, one: ReadEvent) -> list[tuple[int, str]]:
    found = rows_about(one.event, chain.names)
    return [(place, canonical(row).decode()) for place, row in found]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


ROUTES: Final = (Route(f"{AUDIT}/decisions/{{decision}}", decision, name="audit_decision"),)
