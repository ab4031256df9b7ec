"""`/v1/roster`: the artists whom a delegate acts for, and changes for many of them at once."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.api.access import RunsRoster, Speaks, TokenFirst, actor_of
from service.api.context import TheServices
from service.api.media import NeedsJson
from service.api.preconditions import (
    TAG_HEADERS,
    IfNoneMatch,
    TheSeen,
    tagged,
    unchanged,
)
from service.api.schemas.settings import (
    RosterConsentIn,
    RosterConsentOut,
    RosterOut,
    RosterPreviewOut,
)
from service.api.schemas.types import Id, Search
from service.api.settings import desk_of
from service.api.writing import TheWriting
from service.consents.admission import Statement
from service.consents.roster import MOST_ARTISTS, record_for_many
from service.domain.consent import Scope
from service.domain.instant import format_instant, parse_instant
from service.ledger.events import Json
from service.settings_page.roster import (
    RosterEffect,
    RosterRow,
    preview_for_many,
    roster_of,
)
from service.settings_page.sheet import Effect
from service.settings_page.wire import effect_json

router = APIRouter(prefix="/v1/roster", tags=["settings"], route_class=TokenFirst)

_MOST_ROWS: Final = MOST_ARTISTS


@router.get(
    "",
    response_model=RosterOut,
    responses={
        HTTPStatus.OK.value: {"headers": TAG_HEADERS},
        HTTPStatus.NOT_MODIFIED.value: {"description": "You have it.", "headers": TAG_HEADERS},
    },
)
async def read_roster(
    caller: RunsRoster,
    services: TheServices,
    response: Response,
    if_none_match: IfNoneMatch = None,
    after: Annotated[Id | None, Query(description="The last artist of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS)] = 100,
    q: Annotated[Search | None, Query(description="Part of a name or an id, in any case.")] = None,
) -> Json | Response:
    """Read the artists whom the caller may act for, and what is planned for each."""
    delegate = actor_of(caller).actor
    found = await roster_of(desk_of(services), delegate, after=after, limit=limit, q=q)
    same = unchanged(if_none_match, found.etag)
    if same is not None:
        return same
    tagged(response, found.etag)
    return {"artists": [_row(row) for row in found.rows], "next_after": found.next_after}


def _row(row: RosterRow) -> Json:
    return {
        "artist": row.artist,
        "name": row.name,
        "may_opt_in": row.may_opt_in,
        "pending": row.pending,
        "nearest": None if row.nearest is None else format_instant(row.nearest),
        "no_ai": row.no_ai,
    }


@router.post(
    "/consents/preview",
    name="preview_consents_of_many",
    response_model=RosterPreviewOut,
    responses={HTTPStatus.OK.value: {"headers": TAG_HEADERS}},
)
async def preview(
    body: RosterConsentIn,
    caller: Speaks,
    services: TheServices,
    response: Response,
    _: NeedsJson,
) -> Json:
    """Say what one statement would change for each of many artists, and record nothing.

    Its ETag is what a yes for exactly these artists needs as `If-Match`.
    """
    found = await preview_for_many(
        desk_of(services), body.artists, _statement(body), actor_of(caller)
    )
    tagged(response, found.etag)
    return {
        "artists": [_effect(one) for one in found.artists],
        "totals": _totals([one.effect for one in found.artists]),
    }


@router.post(
    "/consents",
    name="record_consents_of_many",
    response_model=RosterConsentOut,
    status_code=HTTPStatus.CREATED,
)
async def record(body: RosterConsentIn, caller: Speaks, writing: TheWriting, seen: TheSeen) -> Json:
    """Record one statement for each of many artists, up to 200: for all of them, or for none.

    A yes needs, as `If-Match`, the ETag of its preview, or of a page of the roster that shows
    exactly these artists.
    """
    write = record_for_many(body.artists, _statement(body), actor_of(caller), seen)
    return await writing.submit(caller, write)


def _statement(body: RosterConsentIn) -> Statement:
    return Statement(
        answer=body.answer,
        scope=Scope(body.use, None, body.recipient),
        channel=body.channel,
        expires_at=None if body.expires_at is None else parse_instant(body.expires_at),
        locale=body.locale,
    )


def _effect(one: RosterEffect) -> Json:
    effect = effect_json(one.effect)
    del effect["tracks"]
    return {"artist": one.artist, "name": one.name, **effect}


def _totals(effects: Sequence[Effect]) -> Json:
    return {
        "artists": len(effects),
        "changed": sum(map(_changes, effects)),
        "stopped": sum(flip.permitted_before for one in effects for flip in one.flips),
        "permitted": sum(flip.permitted_after for one in effects for flip in one.flips),
        "tracks_stopped": sum(one.tracks_stopped for one in effects),
        "tracks_restored": sum(one.tracks_restored for one in effects),
        "pending_stopped": sum(len(one.pending_stopped) for one in effects),
    }


def _changes(effect: Effect) -> bool:
    return bool(
        effect.flips or effect.tracks_stopped or effect.tracks_restored or effect.pending_stopped
    )
