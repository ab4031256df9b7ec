"""`/v1/decisions/{id}/explanation`: the whole chain behind one outcome, with a proof of each event.

Whoever has the log's key can check all of it alone; docs/replay.md says how.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath

from service.api.access import SEES_DECISIONS, TokenFirst
from service.api.context import TheServices
from service.api.schemas.decision_explanation import DecisionExplanationOut, OutcomeWanted
from service.api.schemas.decisions import DecisionId
from service.ledger.events import Json
from service.replay.sheets import WhichOutcome

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=TokenFirst)


@router.get(
    "/{decision}/explanation",
    name="explain_decision",
    response_model=DecisionExplanationOut,
    dependencies=[SEES_DECISIONS],
)
async def explain_it(
    decision: Annotated[DecisionId, InPath()],
    asked: Annotated[OutcomeWanted, Query()],
    services: TheServices,
) -> Json:
    """Read everything that one answer rests on, recomputed from proven events.

    It waits for a checkpoint that covers them, a second or so where one is new.
    """
    which = WhichOutcome(asked.position, asked.content, asked.artist)
    sheet = await services.sheets.sheet(decision, which)
    return services.sheets.document(sheet, batches=asked.batches)
