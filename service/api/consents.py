"""`/v1/artists/{artist}/consents`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from service.api.access import Listens, Speaks, TokenFirst, actor_of, listener_of
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.preconditions import TheSeen
from service.api.schemas.consents import ConsentIn, ConsentList, ConsentOut, ShownIn
from service.api.schemas.types import LARGEST_REVISION
from service.api.writing import TheWriting
from service.consents.admission import Shown, Statement
from service.consents.read import artist_heard_by, list_consents
from service.consents.records import record_consent
from service.domain.consent import Scope
from service.domain.instant import parse_instant
from service.ledger.events import Json

router = APIRouter(prefix="/v1/artists", tags=["consents"], route_class=TokenFirst)


@router.post(
    "/{artist}/consents",
    name="record_consent",
    response_model=ConsentOut,
    status_code=HTTPStatus.CREATED,
)
async def record(
    artist: IdInPath, body: ConsentIn, caller: Speaks, writing: TheWriting, seen: TheSeen
) -> Json:
    """Record what an artist says. Once this returns, no check that starts later overlooks it.

    A yes needs, as `If-Match`, the ETag of the settings that it was given on: 428 without one, 412
    where they are not what stands any more. The platform may instead name in `shown` the version of
    every use that the yes covers. A no, and taking back, needs neither.
    """
    write = record_consent(artist, statement_of(body), actor_of(caller), seen)
    return await writing.submit(caller, write)


@router.get("/{artist}/consents", response_model=ConsentList)
async def read_consents(
    artist: IdInPath,
    caller: Listens,
    services: TheServices,
    before: Annotated[int | None, Query(ge=1, le=LARGEST_REVISION)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Json:
    """Read everything an artist said, newest first."""
    async with services.database.read() as session:
        found = await artist_heard_by(session, artist, listener_of(caller))
        return await list_consents(session, found, before=before, limit=limit)


def statement_of(body: ConsentIn) -> Statement:
    """Return what the body says."""
    return Statement(
        answer=body.answer,
        scope=Scope(body.use, body.content, body.recipient),
        channel=body.channel,
        expires_at=None if body.expires_at is None else parse_instant(body.expires_at),
        locale=body.locale,
        shown=shown_in(body.shown),
    )


def shown_in(shown: Sequence[ShownIn]) -> list[Shown]:
    """Return what was shown."""
    return [Shown(one.use, one.version, one.locale, one.text_sha256) for one in shown]
