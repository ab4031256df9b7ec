"""`/v1/decisions`: what was answered to whom, for those who have to account for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi import Path as InPath

from service.api.access import SEES_DECISIONS, TokenFirst
from service.api.context import TheServices
from service.api.place_cursor import cursor_of, read_cursor
from service.api.schemas.decisions import (
    DecisionId,
    DecisionList,
    DecisionsWanted,
    DecisionWhole,
    Way,
)
from service.db.engine import ReadSession
from service.decisions.log.entry import Outcome, Place, artists_of, subject_of
from service.decisions.log.find import Wanted
from service.decisions.log.theirs import MOST_STRETCHES, theirs_of
from service.decisions.log.written import entry_json, result_json
from service.decisions.question import About
from service.domain.instant import Instant, parse_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.sealing.period import hold_log

MOST_RESULTS: Final = 10_000

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=TokenFirst)


@router.get("", name="list_decisions", response_model=DecisionList, dependencies=[SEES_DECISIONS])
async def list_them(asked: Annotated[DecisionsWanted, Query()], services: TheServices) -> Json:
    """Find decisions, newest first: whatever was answered, permitted or not.

    A page may be short, or empty, and still have a next one: go on until there is none.
    """
    below = None if asked.cursor is None else Place(*read_cursor(asked.cursor))
    async with services.database.read() as session:
        periods = await hold_log(session)
        wanted = await _wanted(session, asked)
        page = await services.sealed.find(session, periods, wanted, below=below, limit=asked.limit)
        named = await _named(
            session, (one.outcome for one in page.entries if one.about is About.ARTISTS)
        )
    return {
        "decisions": [
            entry_json(entry) | {"result": result_json(entry.about, entry.outcome, named)}
            for entry in page.entries
        ],
        "next_cursor": None if page.below is None else cursor_of(*page.below),
    }


@router.get(
    "/{decision}",
    name="read_decision",
    response_model=DecisionWhole,
    dependencies=[SEES_DECISIONS],
)
async def read_it(
    decision: Annotated[DecisionId, InPath()],
    services: TheServices,
    start: Annotated[int, Query(ge=0, le=2**31 - 1, description="A `next_start`.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = 1_000,
) -> Json:
    """Read one decision with every answer, in the order asked."""
    async with services.database.read() as session:
        periods = await hold_log(session)
        found = await services.sealed.read(session, periods, decision, first=start, most=limit)
        if found is None:
            message = "no decision has this id"
            raise refuse("decision", "unknown_decision", message, RefusalKind.UNKNOWN)
        about, outcomes = found.entry.about, found.outcomes
        named = await _named(session, outcomes if about is About.ARTISTS else ())
    last = start + len(outcomes)
    return entry_json(found.entry) | {
        "results": [result_json(about, one, named) for one in outcomes],
        "next_start": last if last < found.entry.number else None,
    }


async def _wanted(session: ReadSession, asked: DecisionsWanted) -> Wanted:
    """Return what is looked for.

    Raises Refused for content and an artist at once, for nobody, and for an artist of too much.
    """
    wanted = Wanted(
        client=asked.client,
        job=asked.job,
        run=asked.run,
        use=asked.use,
        recipient=asked.recipient,
        permitted=None if asked.outcome is None else asked.outcome is Way.PERMITTED,
        reason=asked.reason,
        since=_instant(asked.since),
        until=_instant(asked.until),
    )
    if asked.artist is None:
        about = None if asked.content is None else About.CONTENT
        return replace(wanted, about=about, one=asked.content)
    if asked.content is not None:
        message = "look for content or for an artist, one of the two"
        raise refuse("artist", "content_or_artist", message)
    subject = await subject_of(session, asked.artist)
    if subject is None:
        message = "no artist has this id"
        raise refuse("artist", "unknown_artist", message, RefusalKind.UNKNOWN)
    theirs = await theirs_of(session, subject, most=MOST_STRETCHES)
    if not theirs.whole:
        message = f"they have held more than {MOST_STRETCHES:,} content: ask for an export"
        raise refuse("artist", "too_much_content", message)
    return replace(wanted, theirs=theirs)


def _instant(text: str | None) -> Instant | None:
    return None if text is None else parse_instant(text)


async def _named(session: ReadSession, outcomes: Iterable[Outcome | None]) -> Mapping[str, str]:
    """Return the platform's ids of the artists whom these outcomes are about, by reference."""
    subjects = [outcome.one for outcome in outcomes if outcome is not None]
    return await artists_of(session, subjects) if subjects else {}
