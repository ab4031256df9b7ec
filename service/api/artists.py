"""`/v1/artists` and who acts for them."""

from fastapi import APIRouter
from sqlalchemy import select
from sqlmodel import col

from service.api.access import (
    SEES_ARTISTS,
    Listens,
    Registers,
    Speaks,
    TokenFirst,
    actor_of,
    listener_of,
)
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.schemas.artists import (
    ArtistOut,
    ArtistsIn,
    ArtistsOut,
    DelegateIn,
    DelegateList,
    DelegateOut,
)
from service.api.writing import TheWriting
from service.catalog.artists import ArtistRow, register_artists, require_artist
from service.consents.delegates import delegate_json, grant_delegate, revoke_delegate
from service.consents.read import artist_heard_by
from service.db.tables import Delegate
from service.domain.instant import format_instant
from service.ledger.events import Json

router = APIRouter(prefix="/v1/artists", tags=["artists"], route_class=TokenFirst)


@router.post("", name="register_artists", response_model=ArtistsOut)
async def register(body: ArtistsIn, caller: Registers, writing: TheWriting) -> Json:
    """Register artists, up to 10,000 at once. Those who are registered already stay as they are."""
    rows = [ArtistRow(one.artist, one.name) for one in body.artists]
    return await writing.submit(caller, register_artists(rows), rows=len(rows))


@router.get("/{artist}", response_model=ArtistOut, dependencies=[SEES_ARTISTS])
async def read_artist(artist: IdInPath, services: TheServices) -> Json:
    """Read one registered artist."""
    async with services.database.read() as session:
        found = await require_artist(session, artist)
    return {
        "artist": found.artist_id,
        "name": found.name,
        "registered_at": format_instant(found.registered_at),
        "revision": found.revision,
    }


@router.get("/{artist}/delegates", response_model=DelegateList)
async def read_delegates(artist: IdInPath, caller: Listens, services: TheServices) -> Json:
    """Read who acts or acted for an artist."""
    async with services.database.read() as session:
        found = await artist_heard_by(session, artist, listener_of(caller))
        rows = await session.execute(
            select(Delegate)
            .where(col(Delegate.subject) == found.subject)
            .order_by(col(Delegate.revision))
        )
        return {"delegates": [delegate_json(row, artist) for row in rows.scalars()]}


@router.put("/{artist}/delegates/{delegate}", name="grant_delegate", response_model=DelegateOut)
async def put_delegate(
    artist: IdInPath,
    delegate: IdInPath,
    body: DelegateIn,
    caller: Speaks,
    writing: TheWriting,
) -> Json:
    """Let somebody act for the artist: always to say no, to say yes only if allowed here."""
    write = grant_delegate(artist, delegate, actor_of(caller), may_opt_in=body.may_opt_in)
    return await writing.submit(caller, write)


@router.delete("/{artist}/delegates/{delegate}", name="revoke_delegate", response_model=DelegateOut)
async def delete_delegate(
    artist: IdInPath, delegate: IdInPath, caller: Speaks, writing: TheWriting
) -> Json:
    """End a delegation. What the delegate has said for the artist stays said."""
    return await writing.submit(caller, revoke_delegate(artist, delegate, actor_of(caller)))
