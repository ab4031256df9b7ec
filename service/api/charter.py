"""`/v1/charter`."""

from http import HTTPStatus

from fastapi import APIRouter

from service.api.access import Publishes, TokenFirst
from service.api.context import TheServices
from service.api.schemas.policies import CharterIn, CharterOut, CharterTightening
from service.api.writing import TheWriting
from service.domain.instant import format_duration, format_instant, parse_duration
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.policies.charter import current_charter, open_charter, tighten_charter

router = APIRouter(prefix="/v1/charter", tags=["policies"], route_class=TokenFirst)


@router.get("", response_model=CharterOut)
async def read_charter(services: TheServices) -> Json:
    """Read the charter in force. It is public."""
    async with services.database.read() as session:
        charter = await current_charter(session)
    if charter is None:
        raise refuse(
            "charter", "charter_not_opened", "no charter is opened yet", RefusalKind.UNKNOWN
        )
    return {
        "platform": charter.platform,
        "min_notice_period": format_duration(charter.min_notice_period),
        "revision": charter.revision,
        "recorded_at": format_instant(charter.recorded_at),
    }


@router.post("", name="open_charter", response_model=CharterOut, status_code=HTTPStatus.CREATED)
async def open_the_charter(body: CharterIn, caller: Publishes, writing: TheWriting) -> Json:
    """Open the ledger with its charter. It can be done once, and comes before everything else."""
    write = open_charter(body.platform, parse_duration(body.min_notice_period))
    return await writing.submit(caller, write)


@router.patch("", name="tighten_charter", response_model=CharterOut)
async def tighten_the_charter(
    body: CharterTightening, caller: Publishes, writing: TheWriting
) -> Json:
    """Raise the shortest window that later policy versions may promise. It never goes down."""
    return await writing.submit(caller, tighten_charter(parse_duration(body.min_notice_period)))
