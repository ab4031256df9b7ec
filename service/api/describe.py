"""The OpenAPI document: what FastAPI generates, completed with what it cannot know."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.check_wire import request_schema
from service.api.schemas import ProblemOut

VERSION: Final = "1.0.0"
_DESCRIPTION: Final = (
    "May this content be used for this, by them, now, and how do you know? Fermata keeps one "
    "consent record per artist and per use, gives every artist advance notice and a full window in "
    "which to say no, and answers pipelines before they touch content.\n\n"
    "Every refusal is a problem document (RFC 9457). An answer other than 200 is no permit."
)
_TAGS: Final = [
    {"name": "checks", "description": "What pipelines ask before they touch content."},
    {"name": "policies", "description": "The charter, the tree of uses and policy versions."},
    {"name": "artists", "description": "Artists and those who act for them."},
    {"name": "consents", "description": "What artists said."},
    {"name": "content", "description": "Content and its rightsholders."},
    {"name": "notices", "description": "Notices and what became of them."},
    {"name": "operations", "description": "For operators and their machines."},
]
_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemOut"}
_UNPROTECTED_FAILURES: Final = {
    "400": "The request cannot be read.",
    "422": "The request is refused; `errors` says why.",
    "503": "The answer cannot be known now. It is no permit.",
}
_PROTECTED_FAILURES: Final = {
    "401": "Who you are is not proven.",
    "403": "Your token does not allow this.",
}
_WRITE_FAILURES: Final = {
    "409": "The state of things, or a used idempotency key, is in the way.",
    "413": "The body is too large.",
}


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
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["ProblemOut"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Name every failure an operation can have, and say where no token is asked for."""
    operation["operationId"] = _operation_id(operation)
    protected = bool(operation.get("security"))
    operation["security"] = _alternatives(operation.get("security", []))
    failures = dict(_UNPROTECTED_FAILURES)
    if protected:
        failures |= _PROTECTED_FAILURES
    if "{" in path:
        failures["404"] = "There is no such thing, or none that you may see."
    if method != "get":
        failures |= _WRITE_FAILURES
    for status, description in failures.items():
        operation["responses"][status] = {
            "description": description,
            "content": {"application/problem+json": {"schema": _PROBLEM}},
        }


def _alternatives(security: list[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    """Return one entry for each scope: any one of them is enough, and entries are alternatives."""
    return [
        {name: [scope]} for need in security for name, scopes in need.items() for scope in scopes
    ]


def _operation_id(operation: dict[str, Any]) -> str:
    """Return `publish_a_policy` style ids: stable, and what clients' generators name methods."""
    words = operation["summary"].lower().split()
    return "_".join(words)
