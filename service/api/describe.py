"""The OpenAPI document: what FastAPI generates, completed with what it cannot know."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.authzen.entities import request_schemas
from service.api.check_wire import request_schema
from service.api.examples import BODIES, PARAMETERS
from service.api.schemas.problems import ProblemOut

VERSION: Final = "1.0.0"
_Operation: TypeAlias = dict[str, Any]

_DESCRIPTION: Final = (
    "May this content be used for this, by them, now, and how do you know? Fermata keeps one "
    "consent record per artist and per use, gives every artist advance notice and a full window in "
    "which to say no, and answers pipelines before they touch content.\n\n"
    "Every refusal is a problem document (RFC 9457). An answer other than 200 is no permit."
)
_TAGS: Final = [
    {"name": "checks", "description": "What pipelines ask before they touch content."},
    {"name": "decisions", "description": "What was answered, to whom, and why: the decision log."},
    {"name": "exports", "description": "Signed bundles of all that has to be accounted for."},
    {"name": "authzen", "description": "The same, as OpenID AuthZEN Authorization API 1.0."},
    {"name": "policies", "description": "The charter, the tree of uses and policy versions."},
    {"name": "artists", "description": "Artists and those who act for them."},
    {"name": "consents", "description": "What artists said."},
    {"name": "rights", "description": "Access and receipts, erasure, holds and retention."},
    {"name": "settings", "description": "What a settings page shows, and what it can do."},
    {"name": "content", "description": "Content and its rightsholders."},
    {"name": "notices", "description": "Notices and what became of them."},
    {
        "name": "log",
        "description": "The ledger as everybody may check it: checkpoints, tiles, proofs.",
    },
    {"name": "operations", "description": "For operators and their machines."},
]
_SUCCESS: Final = {
    "200": "Done, or what was asked for.",
    "201": "It is recorded, durably.",
    "202": "It is asked for, durably, and will be done.",
    "204": "Done; there is nothing to say.",
}
_FAILURES: Final = {
    "400": "The request cannot be read.",
    "401": "Who you are is not proven.",
    "403": "Your token does not allow this.",
    "404": "There is no such thing, or none that you may see.",
    "406": "There is no answer of the kind you accept.",
    "408": "The body did not arrive in time.",
    "409": "The state of things, or a used idempotency key, is in the way.",
    "410": "This is too long ago to be told again; `earliest` is where you could go on.",
    "412": "What you saw is not what holds any more: show it anew and ask again.",
    "413": "The body is too large.",
    "415": "The body is not declared to be of a kind that is read here.",
    "422": "The request is refused; `errors` says why.",
    "428": "A yes is given to what was shown: send its ETag as If-Match.",
    "429": "As much is asked as can be answered at once. It is no permit: ask again.",
    "4XX": "The request is refused before it is looked at.",
    "503": "The answer cannot be known now. It is no permit.",
}
_ASKS_NOBODY: Final = frozenset(
    {"alive", "metrics", "read_authzen_configuration", "read_authzen_keys"}
)
"""Operations that answer whatever else is broken."""
_MAY_NOT_BE_THERE: Final = frozenset(
    {
        "read_charter",
        "challenge_webhook_endpoint",
        "rotate_webhook_keys",
        "read_webhook_endpoint",
        "read_authzen_configuration",
        "list_decisions",
        "request_export",
        "read_checkpoint",
        "read_consistency",
    }
)
"""Operations that may find nothing though their path names nothing: what is the only one of its
kind may not be made yet, and whom a search names may not exist."""


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_FAILURE_HEADERS: Final = {
    "401": {"WWW-Authenticate": _header("What to send (RFC 6750 section 3).")},
    "429": {"Retry-After": _header("Seconds after which it is worth trying again.")},
    "503": {"Retry-After": _header("Seconds after which it is worth trying again.")},
}
_REPLAYED: Final = {
    "Idempotency-Replayed": {
        "description": "Sent where an earlier request with this key did it: this is its answer.",
        "schema": {"const": "true"},
    }
}
_ECHOED: Final = {"X-Request-ID": _header("As it was sent; none where none was.")}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` return the whole document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Fermata",
        version=VERSION,
        summary="Consent permissioning for platforms",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=_TAGS,
        servers=[{"url": "/", "description": "Wherever this service runs."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document["components"]["schemas"]
    schemas.update(request_schema()[1])
    schemas.update(request_schemas())
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["ProblemOut"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: _Operation) -> None:
    """Name the operation, everything that can come of it, and an example."""
    operation["operationId"] = "_".join(operation["summary"].lower().split())
    operation["security"] = _alternatives(operation.get("security", []))
    _give_examples(operation)
    responses = operation["responses"]
    for status, response in responses.items():
        if response["description"] == "Successful Response":
            response["description"] = _SUCCESS[status]
        if any(parameter["name"] == "Idempotency-Key" for parameter in _parameters(operation)):
            response["headers"] = _REPLAYED
    responses.pop("422", None)
    for status in _failures(path, method, operation):
        responses[status] = _failure(status)
    if any(parameter["name"] == "X-Request-ID" for parameter in _parameters(operation)):
        for response in responses.values():
            response["headers"] = response.get("headers", {}) | _ECHOED


def _alternatives(security: list[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    """Return one entry for each scope: any one of them is enough, and entries are alternatives."""
    return [
        {name: [scope]} for need in security for name, scopes in need.items() for scope in scopes
    ]


def _give_examples(operation: _Operation) -> None:
    for parameter in _parameters(operation):
        parameter["example"] = PARAMETERS[parameter["name"]]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        content["application/json"]["example"] = BODIES[operation["operationId"]]


def _parameters(operation: _Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operation.get("parameters", [])
    return found


def _may_be_missing(path: str, operation: _Operation) -> bool:
    return "{" in path or "/roster" in path or operation["operationId"] in _MAY_NOT_BE_THERE


def _failures(path: str, method: str, operation: _Operation) -> Iterator[str]:
    """Yield every status other than success that the operation can end with."""
    has_body, secured = "requestBody" in operation, bool(operation["security"])
    has_parts = has_body or bool(_parameters(operation))
    # AuthZEN knows one status for whatever is wrong with a request.
    ours = not path.startswith("/access/")
    is_check = operation["operationId"] == "check"
    follows = operation["operationId"] == "read_changes"
    takes_a_tag = any(parameter["name"] == "If-Match" for parameter in _parameters(operation))
    can_end_with = {
        "400": has_body,
        "401": secured,
        "403": secured,
        "404": _may_be_missing(path, operation),
        "406": is_check or follows,
        "408": is_check,
        "409": ours and method != "get" and not is_check,
        "410": follows,
        "412": takes_a_tag,
        "413": method != "get",
        "415": has_body and ours,
        "422": has_parts and ours,
        "4XX": not has_parts,
        "428": takes_a_tag,
        "429": is_check or follows or (has_body and not ours),
        "503": operation["operationId"] not in _ASKS_NOBODY,
    }
    yield from (status for status, can in can_end_with.items() if can)


def _failure(status: str) -> dict[str, Any]:
    failure: dict[str, Any] = {
        "description": _FAILURES[status],
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
        },
    }
    if status in _FAILURE_HEADERS:
        failure["headers"] = _FAILURE_HEADERS[status]
    return failure
