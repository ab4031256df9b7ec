"""`POST /v1/checks`, the question that pipelines ask before they touch content."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.access import authenticate
from service.api.check_schema import CheckAnswer
from service.api.check_wire import read_check, request_schema, write_answer
from service.api.context import services_of
from service.api.media import require_json
from service.api.problems import ScopeMissing
from service.auth.scopes import Scope
from service.decisions.check import Caller
from service.domain.instant import SECOND

router = APIRouter(tags=["checks"])


@router.post(
    "/v1/checks",
    responses={200: {"model": CheckAnswer, "description": "Every answer, in the order asked."}},
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request_schema()[0]}},
        },
        "security": [{"token": [Scope.CHECK.value]}],
    },
)
async def check(request: Request) -> Response:
    """Ask whether content may be used for this, by them, now; up to 10,000 content at once.

    An answer other than 200 is no permit. `at` asks about another instant and takes the scope
    `fermata:audit` as well.
    """
    # This is the hot path: the body goes past pydantic, and is described above instead.
    services = services_of(request)
    arrived = services.clock.monotonic()
    caller = await authenticate(request, Scope.CHECK, Scope.AUDIT)
    require_json(request)
    asked, shape = read_check(await request.body())
    needed = Scope.CHECK if asked.at is None else Scope.AUDIT
    if not caller.may(needed):
        raise ScopeMissing([needed])
    answer = await services.checker.answer(asked, Caller(caller.client_id, caller.subject))
    seconds = (services.clock.monotonic() - arrived) / SECOND
    services.telemetry.count_check((d.reason.value for d in answer.decisions), seconds)
    return Response(write_answer(answer, shape), media_type="application/json")
