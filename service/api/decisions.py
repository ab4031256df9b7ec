"""`/v1/decisions`: what was answered to whom, for those who have to account for it."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query
from fastapi import Path as InPath

from service.api.access import SEES_DECISIONS, TokenFirst
from service.api.context import TheServices
from service.api.schemas.decisions import (
    DecisionId,
    DecisionList,
    DecisionsWanted,
    DecisionWhole,
    Way,
)
from service.db.engine import ReadSession
from service.decisions.log.entry import (
    Entry,
    Outcome,
    Place,
    artists_of,
    read_decision,
    subject_of,
)
from service.decisions.log.find import Wanted, find_decisions
from service.decisions.question import About
from service.domain.instant import EARLIEST, LATEST, Instant, format_instant, parse_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json

MOST_RESULTS: Final = 10_000
_NATIVE: Final = "checks"

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=TokenFirst)


@router.get("", name="list_decisions", response_model=DecisionList, dependencies=[SEES_DECISIONS])
async def list_them(asked: Annotated[DecisionsWanted, Query()], services: TheServices) -> Json:
    """Find decisions, newest first: whatever was answered, permitted or not.

    A page may be short, or empty, and still have a next one: go on until there is none.
    """
    below = None if asked.cursor is None else _place(asked.cursor)
    async with services.database.read() as session:
        wanted = await _wanted(session, asked)
        page = await find_decisions(session, services.clock, wanted, below=below, limit=asked.limit)
        named = await _named(
            session, (one.outcome for one in page.entries if one.about is About.ARTISTS)
        )
    return {
        "decisions": [
            _entry_json(entry) | {"result": _result_json(entry.about, entry.outcome, named)}
            for entry in page.entries
        ],
        "next_cursor": None if page.below is None else _cursor(page.below),
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
        found = await read_decision(session, decision, first=start, most=limit)
        if found is None:
            message = "no decision has this id"
            raise refuse("decision", "unknown_decision", message, RefusalKind.UNKNOWN)
        about, outcomes = found.entry.about, found.outcomes
        named = await _named(session, outcomes if about is About.ARTISTS else ())
    last = start + len(outcomes)
    return _entry_json(found.entry) | {
        "results": [_result_json(about, one, named) for one in outcomes],
        "next_start": last if last < found.entry.number else None,
    }


async def _wanted(session: ReadSession, asked: DecisionsWanted) -> Wanted:
    """Return what is looked for. Raises Refused for content and an artist at once, or nobody."""
    wanted = Wanted(
        client=asked.client,
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
        message = "a decision is about content or about artists: look for one of the two"
        raise refuse("artist", "content_or_artist", message)
    subject = await subject_of(session, asked.artist)
    if subject is None:
        message = "no artist has this id"
        raise refuse("artist", "unknown_artist", message, RefusalKind.UNKNOWN)
    return replace(wanted, about=About.ARTISTS, one=subject)


def _instant(text: str | None) -> Instant | None:
    return None if text is None else parse_instant(text)


async def _named(session: ReadSession, outcomes: Iterable[Outcome | None]) -> Mapping[str, str]:
    """Return the platform's ids of the artists whom these outcomes are about, by reference."""
    subjects = [outcome.one for outcome in outcomes if outcome is not None]
    return await artists_of(session, subjects) if subjects else {}


def _entry_json(entry: Entry) -> Json:
    request = entry.request
    return {
        "decision_id": entry.place.decision_id,
        "answered_at": format_instant(entry.place.answered_at),
        "evaluated_at": format_instant(entry.evaluated_at),
        "revision": entry.revision,
        "client": entry.client,
        "caller": entry.caller,
        "use": entry.use,
        "recipient": entry.recipient,
        "about": entry.about.value,
        "run": entry.run,
        "job": entry.job,
        "interface": request.get("interface", _NATIVE),
        "consistency": request["consistency"],
        "min_policy_version": request.get("min_policy_version"),
        "at": request.get("at"),
        "explain": request.get("explain", False),
        "number": entry.number,
        "reasons": {reason.value: count for reason, count in entry.reasons.items()},
    }


def _result_json(about: About, outcome: Outcome | None, named: Mapping[str, str]) -> Json | None:
    """Return an outcome as the check answered it; an artist by the id they have now, if any."""
    if outcome is None:
        return None
    by_content, decision = about is About.CONTENT, outcome.decision
    return {
        "content": outcome.one if by_content else None,
        "artist": None if by_content else named.get(outcome.one),
        "permitted": decision.permitted,
        "reason": decision.reason.value,
        "policy_version": decision.policy_version,
        "permitted_from": _optional(decision.interval.start),
        "valid_until": _optional(decision.interval.end),
    }


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _cursor(place: Place) -> str:
    """Return a place as an opaque text. It opens nothing: whoever sends it may see the log."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def _place(cursor: str) -> Place:
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = Place(*msgspec.msgpack.decode(data, type=tuple[int, str]))
    except (ValueError, msgspec.MsgspecError):
        place = None
    if place is None or not EARLIEST <= place.answered_at <= LATEST or "\0" in place.decision_id:
        message = "go on from a `next_cursor` that you were given"
        raise refuse("cursor", "unknown_cursor", message)
    return place
