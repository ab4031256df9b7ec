"""`/v1/artists/{artist}/erasure`, `…/holds` and `/v1/retention`: for those who account for it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from service.api.access import SEES_RIGHTS, KeepsRecords, TokenFirst
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.schemas.rights import (
    ErasureIn,
    ErasureOut,
    HoldIn,
    HoldList,
    HoldOut,
    RetentionIn,
    RetentionOut,
    RuleIn,
)
from service.api.schemas.types import LARGEST_REVISION
from service.api.writing import MOST_BESIDE_OTHERS, TheWriting, WithoutBody
from service.catalog.artists import refuse_repeated, require_artist
from service.ledger.events import Json
from service.rights.erasing import erase_artist, try_erasing
from service.rights.holds import hold_json, holds_of, lift_hold, place_hold
from service.rights.period import Period
from service.rights.retention import Kept, read_retention, set_retention

router = APIRouter(prefix="/v1", tags=["rights"], route_class=TokenFirst)

_HoldInPath = Annotated[
    int, Path(ge=1, le=LARGEST_REVISION, description="The revision that a hold was placed at.")
]


@router.post("/artists/{artist}/erasure", name="erase_artist", response_model=ErasureOut)
async def erase(
    artist: IdInPath,
    body: ErasureIn,
    caller: KeepsRecords,
    writing: TheWriting,
    services: TheServices,
) -> Json:
    """Destroy everything that says who an artist was or what they said, for good.

    Once this returns, no check that starts later permits anything on their account. The ledger
    stays whole and verifies. A legal hold refuses it. Whether it is meant has to be said: nobody
    is erased because a word was misspelt or in the wrong place.
    """
    if body.dry_run:
        async with services.database.read() as session:
            return await try_erasing(session, artist)
    # Many rows may go: nobody else's write shares the transaction.
    answer = await writing.submit(caller, erase_artist(artist), rows=MOST_BESIDE_OTHERS + 1)
    services.chores.soon()
    return answer


@router.get(
    "/artists/{artist}/holds",
    name="list_holds",
    response_model=HoldList,
    dependencies=[SEES_RIGHTS],
)
async def read_holds(artist: IdInPath, services: TheServices) -> Json:
    """Read every legal hold there is or was of an artist."""
    async with services.database.read() as session:
        found = await require_artist(session, artist)
        holds = await holds_of(session, found.subject)
    return {"holds": [hold_json(hold, artist) for hold in holds]}


@router.post(
    "/artists/{artist}/holds",
    name="place_hold",
    response_model=HoldOut,
    status_code=HTTPStatus.CREATED,
)
async def place(artist: IdInPath, body: HoldIn, caller: KeepsRecords, writing: TheWriting) -> Json:
    """Keep everything of an artist's, whoever asks for its erasure, until the hold is lifted."""
    return await writing.submit(caller, place_hold(artist, body.reason, caller.subject))


@router.delete("/artists/{artist}/holds/{hold}", name="lift_hold", response_model=HoldOut)
async def lift(
    artist: IdInPath, hold: _HoldInPath, caller: KeepsRecords, writing: WithoutBody
) -> Json:
    """Lift a hold. That it stood, from when to when, stays in the ledger."""
    return await writing.submit(caller, lift_hold(artist, hold, caller.subject))


@router.get(
    "/retention", name="read_retention", response_model=RetentionOut, dependencies=[SEES_RIGHTS]
)
async def read(services: TheServices) -> Json:
    """Read how long things are kept that are not the ledger's."""
    async with services.database.read() as session:
        return await read_retention(session)


@router.put("/retention", name="set_retention", response_model=RetentionOut)
async def put(body: RetentionIn, caller: KeepsRecords, writing: TheWriting) -> Json:
    """Say how long things are kept, all of them: what is not named is kept for ever.

    What is older is destroyed within a day. The rules are public in the ledger.
    """
    return await writing.submit(caller, set_retention(_rules(body.rules)))


def _rules(rules: list[RuleIn]) -> Mapping[Kept, Period]:
    refuse_repeated("rules", [rule.what for rule in rules])
    return {rule.what: Period.parse(rule.keep) for rule in rules}
