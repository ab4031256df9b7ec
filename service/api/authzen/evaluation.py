"""The Access Evaluation and Access Evaluations APIs (sections 6 and 7)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.authzen.batch import Batch
from service.api.authzen.decisions import reason_and_interval
from service.api.authzen.entities import (
    EvaluationRequest,
    EvaluationsRequest,
    Semantic,
    decoded,
    described,
    received,
)
from service.api.authzen.mapping import Types, question_of
from service.api.context import services_of
from service.api.problems import BodyMalformed
from service.api.schemas.authzen import DecisionOut, EvaluationsOut
from service.decisions.evaluate import Evaluation, Judged, Question
from service.decisions.question import Caller
from service.domain.decision import Decision
from service.domain.instant import SECOND, format_instant
from service.domain.refusal import Refused
from service.ledger.events import Json

router = APIRouter(tags=["authzen"])

_STOP_AT: Final[dict[Semantic, bool | None]] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
_BAD_REQUEST: Final = 400
_BREATH: Final = 250

_WEIGHT: Final = 50
"""Ids of a check that one question counts as: it is read, judged and written by itself."""

_T = TypeVar("_T")


@router.post(
    "/access/v1/evaluation",
    responses={200: {"model": DecisionOut, "description": "Permitted or not, and why."}},
    response_class=Response,
    openapi_extra=described(EvaluationRequest),
)
async def evaluate(request: Request) -> Response:
    """Ask whether a subject may use one resource for this (OpenID AuthZEN 1.0, section 6).

    A denial is an answer: 200 and `"decision": false`. The subject `{"type": "pipeline"}` is the
    platform's own; any other is the recipient `type:id`.
    """
    caller, body = await received(request)
    return await _single(request, caller, body)


@router.post(
    "/access/v1/evaluations",
    responses={
        200: {
            "model": EvaluationsOut | DecisionOut,
            "description": "Every answer in the order asked, all at one revision; of a request "
            "without `evaluations`, the single one.",
        }
    },
    response_class=Response,
    openapi_extra=described(EvaluationsRequest),
)
async def evaluate_many(request: Request) -> Response:
    """Ask up to 10,000 such questions at once, with defaults (OpenID AuthZEN 1.0, section 7).

    What an evaluation says replaces the whole default of that name. One that cannot be understood
    is a denial with its own `error`; it spoils no other.
    """
    caller, body = await received(request)
    batch = Batch(body, Types.of(services_of(request).settings))
    if not batch.items:
        return await _single(request, caller, body)
    understood = [batch.understood(raw) async for raw in _with_breath(batch.items)]
    questions = [one if isinstance(one, Question) else None for one in understood]
    stop_at = _STOP_AT[batch.semantic]
    evaluation = await _evaluated(request, questions, caller, stop_at=stop_at)
    write = _Writer(evaluation)
    pairs = list(zip(understood, evaluation.answers, strict=False))
    answers = [
        _error_json(one) if judged is None else write(judged)
        async for one, judged in _with_breath(pairs)
    ]
    return _answer({"evaluations": answers})


async def _single(request: Request, caller: Caller, body: bytes) -> Response:
    asked = decoded(EvaluationRequest, body)
    types = Types.of(services_of(request).settings)
    question = question_of(asked.subject, asked.action.name, asked.resource, asked.context, types)
    evaluation = await _evaluated(request, [question], caller)
    (judged,) = evaluation.answers
    return _answer(_Writer(evaluation)(judged) if judged is not None else {})


async def _evaluated(
    request: Request,
    questions: list[Question | None],
    caller: Caller,
    *,
    stop_at: bool | None = None,
) -> Evaluation:
    services = services_of(request)
    arrived = services.clock.monotonic()
    try:
        with services.capacity.room(_WEIGHT * len(questions)):
            evaluation = await services.evaluator.evaluate(questions, caller, stop_at=stop_at)
    except Refused as refused:
        raise BodyMalformed(str(refused)) from None
    seconds = (services.clock.monotonic() - arrived) / SECOND
    reasons = (one.decision.reason.value for one in evaluation.answers if one is not None)
    services.telemetry.count_check(reasons, seconds)
    return evaluation


async def _with_breath(items: Sequence[_T]) -> AsyncIterator[_T]:
    """Yield the items, and let others have their turn every few hundred."""
    for position, item in enumerate(items):
        if position % _BREATH == _BREATH - 1:
            await asyncio.sleep(0)
        yield item


class _Writer:
    """Writes the decisions of one evaluation; most of a batch share few of them."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._moment: Json = {
            "revision": evaluation.revision,
            "evaluated_at": format_instant(evaluation.evaluated_at),
        }
        self._known: dict[Decision, Json] = {}

    def __call__(self, judged: Judged) -> Json:
        why = self._known.get(judged.decision)
        if why is None:
            why = self._known[judged.decision] = reason_and_interval(judged.decision)
        context = {"decision_id": judged.decision_id, **self._moment, **why}
        return {"decision": judged.decision.permitted, "context": context}


def _error_json(wrong: Question | str) -> Json:
    """Return a denial of what could not be understood."""
    return {
        "decision": False,
        "context": {"error": {"status": _BAD_REQUEST, "message": str(wrong)}},
    }


def _answer(body: Json) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
