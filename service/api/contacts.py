"""`/v1/contacts`: where artists can be reached. It is no part of the ledger."""

from fastapi import APIRouter, Depends

from service.api.access import Listens, Registers, TokenFirst, listener_of
from service.api.context import TheServices
from service.api.media import require_json
from service.api.paths import IdInPath
from service.api.schemas.contacts import ContactOut, ContactsIn, ContactsOut
from service.consents.read import artist_heard_by
from service.domain.instant import format_instant
from service.ledger.events import Json
from service.notices.contacts import ContactRow, put_contacts, read_contact

router = APIRouter(prefix="/v1", tags=["artists"], route_class=TokenFirst)


@router.post(
    "/contacts",
    name="put_contacts",
    response_model=ContactsOut,
    dependencies=[Depends(require_json)],
)
async def put(body: ContactsIn, _caller: Registers, services: TheServices) -> Json:
    """Say where artists can be reached, up to 10,000 at once; saying it again changes nothing.

    Each row takes the place of what was said of its artist before. Whoever can be reached only
    since now is told of what is being announced within minutes.
    """
    rows = [ContactRow(one.artist, one.email, one.locale) for one in body.contacts]
    async with services.database.keep() as session:
        changed = await put_contacts(session, rows)
    return {"contacts": len(rows), "changed": changed}


@router.get("/artists/{artist}/contact", name="read_contact", response_model=ContactOut)
async def read(artist: IdInPath, caller: Listens, services: TheServices) -> Json:
    """Read where an artist can be reached, as the platform has said."""
    async with services.database.read() as session:
        found = await artist_heard_by(session, artist, listener_of(caller))
        contact = await read_contact(session, found.subject)
    return {
        "artist": artist,
        "email": contact.email if contact else None,
        "locale": contact.locale if contact else None,
        "updated_at": format_instant(contact.updated_at) if contact else None,
    }
