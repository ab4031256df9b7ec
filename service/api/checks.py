"""`POST /v1/checks`, the question that pipelines ask before they touch content."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope
from typing_extensions import override

from service.api.access import authenticate
from service.api.body import Body, declared_length, read_body
from service.api.check_arrow import read_stream, write_stream
from service.api.check_ids import MOST_IN_JSON
from service.api.check_results import write_answer
from service.api.check_samples import SAMPLES
from service.api.check_schema import ARROW_ANSWER, ARROW_REQUEST, CheckAnswer
from service.api.check_wire import Asked, read_check, request_schema
from service.api.context import Services, services_of
from service.api.media import ARROW, JSON, acceptable, json_or_arrow
from service.api.problems import NotAcceptable, ScopeMissing
from service.auth.principal import Principal
from service.auth.scopes import Scope
from service.decisions.capacity import Overloaded, Room
from service.decisions.check import MOST_LOOKED_UP
from service.decisions.compiled.answers import REASONS, Answers
from service.decisions.question import Answer, Caller, Check
from service.domain.instant import SECOND

router = APIRouter(tags=["checks"])
_log = logging.getLogger(__name__)

PATH: Final = "/v1/checks"

_BYTES_AN_ID: Final = 64
"""What an id is taken to weigh before it is known how many there are."""

_ASIDE: Final = 20_000
"""Ids from which on reading and writing go to a thread: everybody else goes on meanwhile."""

_LOOKED_AT: Final = 50
"""As so many ids counts one that is explained, or that may be asked about in the past."""

_PIECE: Final = 256 * 1024
_SENDING_SECONDS: Final = 120
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Passed(Response):
    """What a route answers whose request is still to be looked at."""

    @override
    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Look at it now."""
        await serve_check(Request(scope, receive), send)


@router.post(
    PATH,
    responses={
        200: {
            "model": CheckAnswer,
            "content": {ARROW: {"schema": ARROW_ANSWER}},
            "description": "Every answer, in the order asked.",
        }
    },
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": request_schema()[0]}, ARROW: {"schema": ARROW_REQUEST}},
        },
        "security": [{"token": [Scope.CHECK.value]}],
        "x-codeSamples": SAMPLES,
    },
)
async def check() -> Response:
    """Ask whether content may be used for this, by them, now.

    Up to 100,000 content at once as JSON, 1,000,000 as an Apache Arrow stream; `Accept` says which
    of the two is answered. An answer other than 200 is no permit; after 429 ask again. `at` asks
    about another instant and takes the scope `fermata:audit` as well.
    """
    # `HotPath` answers before anything is routed, and describes nothing; this describes it, and is
    # as good an answer for whoever comes by another way.
    return _Passed()


async def serve_check(request: Request, send: Send) -> None:
    """Answer a check. Whatever it raises, it raises before anything is sent."""
    services = services_of(request)
    arrived = services.clock.monotonic()
    caller = await authenticate(request, Scope.CHECK, Scope.AUDIT)
    sent = json_or_arrow(request.headers.get("content-type"))
    wanted = acceptable(",".join(request.headers.getlist("accept")), sent)
    limit = services.settings.max_body_bytes if sent == JSON else services.settings.max_arrow_bytes
    declared = declared_length(request.headers, limit)
    try:
        with services.capacity.room(_weight(limit if declared is None else declared)) as room:
            body = await read_body(request.receive, declared, limit)
            written, tally = await _answered(services, caller, body, sent, wanted, room)
            seconds = (services.clock.monotonic() - arrived) / SECOND
            services.telemetry.count_check(tally, seconds)
            await _send(Response(written, media_type=wanted), request, send)
    except Overloaded:
        services.telemetry.count_overloaded()
        raise


def _weight(size: int) -> int:
    return size // _BYTES_AN_ID + 1


async def _answered(
    services: Services, caller: Principal, body: Body, sent: str, wanted: str, room: Room
) -> tuple[bytes | memoryview, dict[str, int]]:
    asked = await _aside(_weight(len(body)), _read, body, sent)
    effort = _effort(asked.check)
    room.weigh(max(_weight(len(body)), effort))
    _require_writable(asked, wanted)
    needed = Scope.CHECK if asked.check.at is None else Scope.AUDIT
    if not caller.may(needed):
        raise ScopeMissing([needed])
    answer = await services.checker.answer(asked.check, Caller(caller.client_id, caller.subject))
    return await _aside(effort, _write, answer, asked, wanted)


def _effort(check: Check) -> int:
    """Return as how many ids a check counts: what is looked at one by one is no small matter."""
    number = len(check.ids)
    if not check.explain and check.at is None:
        return number
    return max(number, _LOOKED_AT * min(number, MOST_LOOKED_UP))


async def _aside(ids: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Do small work here and now, and large work while others have their turn."""
    if ids < _ASIDE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def _read(body: Body, sent: str) -> Asked:
    if sent == ARROW:
        return read_stream(body)
    return read_check(body if isinstance(body, bytes) else body.tobytes())


def _require_writable(asked: Asked, wanted: str) -> None:
    if wanted == JSON and len(asked.ids) > MOST_IN_JSON:
        message = f"more than {MOST_IN_JSON:,} answers are not written as JSON: accept {ARROW}"
        raise NotAcceptable(message)
    if wanted == ARROW and asked.check.explain:
        raise NotAcceptable(f"an explanation has no columns: accept {JSON}")


def _write(answer: Answer, asked: Asked, wanted: str) -> tuple[bytes | memoryview, dict[str, int]]:
    """Return the answer as it is sent, and how often each reason is in it."""
    tally = _tally(answer.answers)
    if wanted == ARROW:
        return memoryview(write_stream(answer, asked.ids)), tally
    return write_answer(answer, asked.ids, asked.shape), tally


def _tally(answers: Answers) -> dict[str, int]:
    numbers = np.bincount(answers.reason).tolist()
    return {REASONS[reason].value: number for reason, number in enumerate(numbers) if number}


async def _send(response: Response, request: Request, send: Send) -> None:
    """Send an answer; a large one piece by piece, as fast as it is taken.

    An answer that nobody takes stays without its end, so that the server closes the connection: its
    room is for others.
    """
    body: Any = response.body
    try:
        if len(body) <= _PIECE:
            await response(request.scope, request.receive, send)
            return
        start = {"status": response.status_code, "headers": response.raw_headers}
        async with asyncio.timeout(_SENDING_SECONDS):
            await send({"type": "http.response.start", **start})
            for begin in range(0, len(body), _PIECE):
                piece, more = bytes(body[begin : begin + _PIECE]), begin + _PIECE < len(body)
                await send({"type": "http.response.body", "body": piece, "more_body": more})
    except OSError as error:
        _log.warning("an answer was not taken", exc_info=error)
