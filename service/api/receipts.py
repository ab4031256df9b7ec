"""`/v1/artists/{artist}/consents/{revision}/receipt`: what was said, proven to anybody."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import JSONResponse

from service.api.access import Listens, TokenFirst, listener_of
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.schemas.receipts import ReceiptOut
from service.api.schemas.types import LARGEST_REVISION

router = APIRouter(prefix="/v1/artists", tags=["rights"], route_class=TokenFirst)

_RevisionInPath = Annotated[
    int, Path(ge=1, le=LARGEST_REVISION, description="A record's revision.")
]


class LinkedData(JSONResponse):
    """JSON-LD that is for its reader alone."""

    media_type = "application/ld+json"

    def render(self, content: object) -> bytes:
        """Return it as it is, byte for byte what was signed once it is canonical."""
        return msgspec.json.encode(content)


@router.get(
    "/{artist}/consents/{revision}/receipt",
    name="read_receipt",
    response_class=LinkedData,
    response_model=ReceiptOut,
)
async def read_receipt(
    artist: IdInPath, revision: _RevisionInPath, caller: Listens, services: TheServices
) -> LinkedData:
    """Return the receipt of one consent record (ISO/IEC TS 27560), signed by the log.

    Kept, it proves by itself what was said: it has the ledger's entry, the opening of what that
    commits to, and its inclusion in a checkpoint.
    """
    receipt = await services.receipts.receipt_of(artist, revision, listener_of(caller))
    name = f'attachment; filename="fermata-receipt-{revision}.jsonld"'
    headers = {"Content-Disposition": name, "Cache-Control": "private, no-store"}
    return LinkedData(receipt, headers=headers)
