"""`/v1/content`."""

from fastapi import APIRouter
from sqlalchemy import select
from sqlmodel import col

from service.api.access import SEES_CONTENT, Catalogs, TokenFirst
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.schemas.content import ContentOut, ContentsIn, ContentsOut
from service.api.writing import TheWriting
from service.catalog.content import ContentRow, put_content
from service.db.among import among
from service.db.tables import Artist, Content
from service.domain.instant import format_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json

router = APIRouter(prefix="/v1/content", tags=["content"], route_class=TokenFirst)


@router.post("", name="put_content", response_model=ContentsOut)
async def put(body: ContentsIn, caller: Catalogs, writing: TheWriting) -> Json:
    """Add or replace content, up to 10,000 at once, all of it or none."""
    rows = [
        ContentRow(one.content, tuple(one.rightsholders), one.status, one.isrc, one.title)
        for one in body.content
    ]
    return await writing.submit(caller, put_content(rows), rows=len(rows))


@router.get("/{content}", response_model=ContentOut, dependencies=[SEES_CONTENT])
async def read_content(content: IdInPath, services: TheServices) -> Json:
    """Read one content as it is now. An erased rightsholder is shown as null."""
    async with services.database.read() as session:
        found = await session.get(Content, content)
        if found is None:
            message = "no content of this id is known"
            raise refuse("content", "unknown_content", message, RefusalKind.UNKNOWN)
        named = select(col(Artist.subject), col(Artist.artist_id)).where(
            among(col(Artist.subject), found.rightsholders)
        )
        artists = {row.subject: row.artist_id for row in await session.execute(named)}
    return {
        "content": found.content_id,
        "rightsholders": [artists.get(subject) for subject in found.rightsholders],
        "status": found.status,
        "isrc": found.isrc,
        "title": found.title,
        "put_at": format_instant(found.put_at),
        "revision": found.revision,
    }
