"""`/v1/notices` and their deliveries."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from service.api.access import SEES_NOTICES, SEES_TOLD, Notifies, TokenFirst
from service.api.context import Services, TheServices
from service.api.keys import key_for
from service.api.schemas.notices import (
    DeliveriesIn,
    DeliveriesOut,
    DeliveryIn,
    NoticeDays,
    NoticeList,
    NoticeOut,
    ToldList,
)
from service.api.schemas.types import LARGEST_REVISION, storable
from service.api.writing import TheWriting
from service.domain import uses
from service.domain.instant import parse_instant
from service.ledger.events import Json
from service.notices import cursor
from service.notices.deliveries import (
    DeliveryRow,
    Reports,
    divide_deliveries,
    prepare_deliveries,
    sum_up,
)
from service.notices.messages import return_path_of
from service.notices.progress import (
    Looking,
    Page,
    count_days,
    count_notice,
    list_notices,
    list_told,
)
from service.notices.reached import State

_READ_AT_ONCE: Final = 1_000
"""Rows read between two pauses, so that others are answered meanwhile."""

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


@router.get("", name="list_notices", response_model=NoticeList, dependencies=[SEES_NOTICES])
async def read_notices(
    services: TheServices,
    before: Annotated[int | None, Query(ge=1, le=LARGEST_REVISION)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Json:
    """Read all notices, newest first. Every version has one, also where nobody has to be told."""
    async with services.database.read() as session:
        return await list_notices(session, before=before, limit=limit)


@router.get("/{notice}", response_model=NoticeOut, dependencies=[SEES_NOTICES])
async def read_notice(notice: NoticeInPath, services: TheServices) -> Json:
    """Read how far a notice has come: whom it has reached, whose windows run, who has opted out."""
    looking = await _looking(services)
    async with services.database.read() as session:
        return await count_notice(session, looking, notice)


@router.get(
    "/{notice}/days",
    name="read_notice_days",
    response_model=NoticeDays,
    dependencies=[SEES_NOTICES],
)
async def read_days(notice: NoticeInPath, services: TheServices) -> Json:
    """Read what happened on each UTC day, and which windows will close when."""
    looking = await _looking(services)
    async with services.database.read() as session:
        return await count_days(session, looking, notice)


@router.get(
    "/{notice}/artists",
    name="list_notice_artists",
    response_model=ToldList,
    dependencies=[SEES_TOLD],
)
async def read_told(
    notice: NoticeInPath,
    services: TheServices,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    after: Annotated[str | None, Query(max_length=200, description="A `next_after`.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Json:
    """Read for every artist concerned whether they were told, by which channel, and what they said.

    `state=unreachable` are those whom nobody could reach: their silence permits nothing.
    """
    looking = await _looking(services)
    async with services.database.read() as session:
        return await list_told(session, looking, notice, Page(state, after, limit))


@router.post("/{notice}/deliveries", name="confirm_deliveries", response_model=DeliveriesOut)
async def confirm(
    notice: NoticeInPath,
    body: DeliveriesIn,
    caller: Notifies,
    writing: TheWriting,
    services: TheServices,
) -> Json:
    """Confirm deliveries and report bounces, up to 10,000 at once.

    A window starts when its first confirmed delivery is recorded here, whatever `reported_at` says.
    Many are recorded in parts; if a request breaks off between two, repeat it and the rest is done.
    """
    rows: list[DeliveryRow] = []
    for first in range(0, len(body.deliveries), _READ_AT_ONCE):
        rows += map(_report, body.deliveries[first : first + _READ_AT_ONCE])
        await asyncio.sleep(0)
    reports = Reports(notice, rows, return_path_of(services.settings))
    answers = []
    for number, part in enumerate(await divide_deliveries(services.database, reports)):
        write = await prepare_deliveries(services.database, part)
        answers.append(await writing.submit(caller, write, rows=len(part.rows), part=number))
    return sum_up(answers)


def _report(one: DeliveryIn) -> DeliveryRow:
    return DeliveryRow(
        one.artist,
        one.outcome,
        one.channel,
        None if one.reported_at is None else parse_instant(one.reported_at),
        one.message,
    )


async def _looking(services: Services) -> Looking:
    """Return the ledger's time now, and what counting needs beside it."""
    head = await services.heads.read()
    key = key_for(services, cursor.PURPOSE)
    return Looking(head.now, services.settings, cursor.Cursors(key))
