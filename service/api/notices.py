"""`/v1/notices` and their deliveries."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator

from service.api.access import SEES_NOTICES, Notifies, TokenFirst
from service.api.context import TheServices
from service.api.schemas.notices import DeliveriesIn, DeliveriesOut, NoticeOut
from service.api.schemas.types import storable
from service.api.writing import TheWriting
from service.domain import uses
from service.domain.instant import parse_instant
from service.ledger.events import Json
from service.notices.deliveries import DeliveryRow, count_notice, record_deliveries

router = APIRouter(prefix="/v1/notices", tags=["notices"], route_class=TokenFirst)

# The use, a colon and the version: longer than any id of the platform's may be.
NoticeInPath = Annotated[
    str,
    AfterValidator(storable),
    Path(
        description="A notice's id: its use, a colon and its version.",
        examples=["discovery.recommendation:2"],
        min_length=1,
        max_length=uses.LONGEST_PATH + 11,
    ),
]


@router.get("/{notice}", response_model=NoticeOut, dependencies=[SEES_NOTICES])
async def read_notice(notice: NoticeInPath, services: TheServices) -> Json:
    """Read a notice and how many it has reached."""
    async with services.database.read() as session:
        return await count_notice(session, notice)


@router.post("/{notice}/deliveries", name="confirm_deliveries", response_model=DeliveriesOut)
async def confirm(
    notice: NoticeInPath, body: DeliveriesIn, caller: Notifies, writing: TheWriting
) -> Json:
    """Confirm deliveries and report bounces, up to 10,000 at once.

    A window starts when its first confirmed delivery is recorded here, whatever `reported_at` says.
    """
    rows = [
        DeliveryRow(
            one.artist,
            one.outcome,
            one.channel,
            None if one.reported_at is None else parse_instant(one.reported_at),
        )
        for one in body.deliveries
    ]
    return await writing.submit(caller, record_deliveries(notice, rows))
