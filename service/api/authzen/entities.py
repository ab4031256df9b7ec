"""AuthZEN's entities and requests on the wire (sections 5 to 8).

Unknown fields are ignored wherever they stand (section 10.1.1). An optional field that is null is
one that is absent; a required one that is null is missing.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request

from service.api.access import authenticate
from service.api.check_wire import CheckConsistency
from service.api.problems import BodyMalformed
from service.api.schemas.types import LARGEST_VERSION, LONGEST_ID, MOST_ROWS
from service.auth.scopes import Scope
from service.decisions.question import Caller

Properties: TypeAlias = dict[str, msgspec.Raw] | None
"""Said to be understood by those who evaluate properties, which we do not: they are not kept."""

Semantic: TypeAlias = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]


class AuthzenSubject(msgspec.Struct):
    """Who would use it: a pipeline of the platform's own, or a recipient as its type and id."""

    type: str
    id: str
    properties: Properties = None


class AuthzenResource(msgspec.Struct):
    """One content or artist, under a type that the platform has named for them."""

    type: str
    id: str
    properties: Properties = None


class AuthzenAction(msgspec.Struct):
    """The use, by its path."""

    name: str
    properties: Properties = None


class AuthzenContext(msgspec.Struct):
    """What is asked beside the question; anything else in it is ignored."""

    consistency: Literal["strong"] | CheckConsistency = "strong"
    min_policy_version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_VERSION)] | None = None
    run: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)] | None = None


class EvaluationRequest(msgspec.Struct):
    """Whether this subject may do this with this resource."""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: AuthzenResource
    context: AuthzenContext | None = None


class EvaluationItem(msgspec.Struct):
    """One of many; what it leaves out is what the request says at its top."""

    subject: AuthzenSubject | msgspec.UnsetType = msgspec.UNSET
    action: AuthzenAction | msgspec.UnsetType = msgspec.UNSET
    resource: AuthzenResource | msgspec.UnsetType = msgspec.UNSET
    context: AuthzenContext | msgspec.UnsetType = msgspec.UNSET


class EvaluationsOptions(msgspec.Struct):
    """How the evaluations are executed; unknown options are ignored."""

    evaluations_semantic: Semantic = "execute_all"


class EvaluationsRequest(msgspec.Struct):
    """Many evaluations with their defaults; without `evaluations`, a single one."""

    subject: AuthzenSubject | msgspec.UnsetType = msgspec.UNSET
    action: AuthzenAction | msgspec.UnsetType = msgspec.UNSET
    resource: AuthzenResource | msgspec.UnsetType = msgspec.UNSET
    context: AuthzenContext | None = None
    evaluations: Annotated[list[EvaluationItem], msgspec.Meta(max_length=MOST_ROWS)] | None = None
    options: EvaluationsOptions | None = None


class SearchedSubject(msgspec.Struct):
    """The type of subjects to find; an `id` is ignored (section 8.4.1)."""

    type: str


class SearchedResource(msgspec.Struct):
    """The type of resources to find; an `id` is ignored (section 8.5.1)."""

    type: str


class SearchPage(msgspec.Struct):
    """Which page, and how many results at most (section 8.2.1)."""

    token: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    properties: Properties = None


class SubjectSearchRequest(msgspec.Struct):
    """Who may do this with this resource."""

    subject: SearchedSubject
    action: AuthzenAction
    resource: AuthzenResource
    context: AuthzenContext | None = None
    page: SearchPage | None = None


class ResourceSearchRequest(msgspec.Struct):
    """With which resources this subject may do this."""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: SearchedResource
    context: AuthzenContext | None = None
    page: SearchPage | None = None


class ActionSearchRequest(msgspec.Struct):
    """What this subject may do with this resource; an `action` is no part of it."""

    subject: AuthzenSubject
    resource: AuthzenResource
    context: AuthzenContext | None = None
    page: SearchPage | None = None


REQUESTS: Final = (
    EvaluationRequest,
    EvaluationsRequest,
    SubjectSearchRequest,
    ResourceSearchRequest,
    ActionSearchRequest,
)

_T = TypeVar("_T")


def decoded(kind: type[_T], body: bytes | msgspec.Raw, *, within: str = "") -> _T:
    """Read JSON as this shape; `within` names the field it is the value of.

    Raises BodyMalformed, naming the field.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = f"{within}{path.strip('`')}".removeprefix(".")
        raise BodyMalformed(f"{field}: {message}" if field else message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the body is not valid JSON: {error}"
        raise BodyMalformed(message) from None
    except RecursionError:
        message = "the body is nested too deeply"
        raise BodyMalformed(message) from None


async def received(request: Request) -> tuple[Caller, bytes]:
    """Return who asks, once their token is proven, and the body, once it says that it is JSON.

    Raises TokenRefused, ScopeMissing and the like, and BodyMalformed: the standard knows one status
    for whatever is wrong with a request.
    """
    principal = await authenticate(request, Scope.CHECK)
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != "application/json":
        found = f"not {declared!r:.80}" if declared else "which is missing"
        message = f"send the header 'Content-Type: application/json', {found}"
        raise BodyMalformed(message)
    return Caller(principal.client_id, principal.subject), await request.body()


def described(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return what FastAPI cannot know of an operation whose body goes past it."""
    reference = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}},
        "security": [{"token": [Scope.CHECK.value]}],
        "parameters": [
            {
                "name": "X-Request-ID",
                "in": "header",
                "required": False,
                "description": "Comes back as it was sent.",
                "schema": {"type": "string"},
            }
        ],
    }


def request_schemas() -> dict[str, Any]:
    """Return the JSON Schemas of the requests, by name."""
    _, components = msgspec.json.schema_components(
        REQUESTS, ref_template="#/components/schemas/{name}"
    )
    return components
