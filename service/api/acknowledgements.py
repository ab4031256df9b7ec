"""`/v1/artists/{artist}/notices/{notice}/acknowledgement`: a notice that was read in the app."""

from fastapi import APIRouter

from service.api.access import Speaks, TokenFirst, actor_of
from service.api.notices import NoticeInPath
from service.api.paths import IdInPath
from service.api.schemas.notices import AcknowledgementOut
from service.api.writing import WithoutBody
from service.ledger.events import Json
from service.notices.deliveries import acknowledge

router = APIRouter(prefix="/v1/artists", tags=["notices"], route_class=TokenFirst)


@router.post(
    "/{artist}/notices/{notice}/acknowledgement",
    name="acknowledge_notice",
    response_model=AcknowledgementOut,
)
async def acknowledge_it(
    artist: IdInPath, notice: NoticeInPath, caller: Speaks, writing: WithoutBody
) -> Json:
    """Say that the artist, or whoever may say yes for them, has this notice before them.

    It is a delivery like any other: the first one opens the artist's window.
    """
    return await writing.submit(caller, acknowledge(artist, notice, actor_of(caller)))
