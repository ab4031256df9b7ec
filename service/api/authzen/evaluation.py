"""The Access Evaluation and Access Evaluations APIs (sections 6 and 7)."""

from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.authzen.decisions import reason_and_interval
from service.api.authzen.entities import (
    AuthzenAction,
    AuthzenContext,
    AuthzenResource,
    AuthzenSubject,
    EvaluationRequest,
    EvaluationsOptions,
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
from service.api.schemas.types import MOST_ROWS
from service.decisions.check import Caller
from service.decisions.evaluate import Evaluation, Judged, Question
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

_Part: TypeAlias = msgspec.Raw | msgspec.UnsetType
_T = TypeVar("_T")


class _Item(msgspec.Struct):
    """An evaluation, or the defaults of all, before anybody looks into its parts.

    So that what is wrong with one of many stays its own matter (section 7.2.1).
    """

    subject: _Part = msgspec.UNSET
    action: _Part = msgspec.UNSET
    resource: _Part = msgspec.UNSET
    context: _Part = msgspec.UNSET


class _Batch(_Item):
    """Of a request for many only what it takes to find them."""

    evaluations: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_ROWS)] | None = None
    options: EvaluationsOptions | None = None


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
    batch = decoded(_Batch, body)
    if not batch.evaluations:
        return await _single(request, caller, body)
    types = Types.of(services_of(request).settings)
    understood = [_understood(batch, raw, types) for raw in batch.evaluations]
    questions = [one if isinstance(one, Question) else None for one in understood]
    semantic = (batch.options or EvaluationsOptions()).evaluations_semantic
    evaluation = await _evaluated(request, questions, caller, stop_at=_STOP_AT[semantic])
    answers = [
        _error_json(one) if judged is None else _decision_json(judged, evaluation)
        for one, judged in zip(understood, evaluation.answers, strict=False)
    ]
    return _answer({"evaluations": answers})


async def _single(request: Request, caller: Caller, body: bytes) -> Response:
    asked = decoded(EvaluationRequest, body)
    types = Types.of(services_of(request).settings)
    question = question_of(asked.subject, asked.action.name, asked.resource, asked.context, types)
    evaluation = await _evaluated(request, [question], caller)
    (judged,) = evaluation.answers
    return _answer(_decision_json(judged, evaluation) if judged else {})


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
        evaluation = await services.evaluator.evaluate(questions, caller, stop_at=stop_at)
    except Refused as refused:
        raise BodyMalformed(str(refused)) from None
    seconds = (services.clock.monotonic() - arrived) / SECOND
    reasons = (one.decision.reason.value for one in evaluation.answers if one is not None)
    services.telemetry.count_check(reasons, seconds)
    return evaluation


def _understood(batch: _Batch, raw: msgspec.Raw, types: Types) -> Question | str:
    """Return one question with its defaults, or what is wrong with it."""
    try:
        item = decoded(_Item, raw)
        subject = _part("subject", AuthzenSubject, item.subject, batch.subject)
        action = _part("action", AuthzenAction, item.action, batch.action)
        resource = _part("resource", AuthzenResource, item.resource, batch.resource)
        context = None
        if item.context is not msgspec.UNSET or batch.context is not msgspec.UNSET:
            context = _part("context", AuthzenContext, item.context, batch.context)
        return question_of(subject, action.name, resource, context, types)
    except BodyMalformed as error:
        return str(error)


def _part(name: str, kind: type[_T], own: _Part, default: _Part) -> _T:
    """Return an evaluation's own entity, or else the whole default (section 7.1.1)."""
    raw = default if isinstance(own, msgspec.UnsetType) else own
    if isinstance(raw, msgspec.UnsetType):
        message = f"{name}: give it here, or as a default for all"
        raise BodyMalformed(message)
    return decoded(kind, raw, within=name)


def _decision_json(judged: Judged, evaluation: Evaluation) -> Json:
    context: Json = {
        "decision_id": judged.decision_id,
        "revision": evaluation.revision,
        "evaluated_at": format_instant(evaluation.evaluated_at),
        **reason_and_interval(judged.decision),
    }
    return {"decision": judged.decision.permitted, "context": context}


def _error_json(wrong: Question | str) -> Json:
    """Return a denial of what could not be understood."""
    return {
        "decision": False,
        "context": {"error": {"status": _BAD_REQUEST, "message": str(wrong)}},
    }


def _answer(body: Json) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
