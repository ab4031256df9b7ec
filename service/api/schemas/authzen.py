"""How AuthZEN's answers are described in the OpenAPI document; its routes write them by hand."""

from pydantic import BaseModel, Field

from service.api.schemas.types import InstantOut, Revision
from service.domain.assessment import Reason


class ErrorInContext(BaseModel):
    """Why one of many evaluations could not be understood."""

    status: int
    message: str


class DecisionContext(BaseModel):
    """How the decision was made, and how long it stands; what there is nothing of is left out.

    An evaluation that could not be understood has `error` and nothing else.
    """

    decision_id: str | None = None
    revision: Revision | None = None
    evaluated_at: InstantOut | None = None
    reason: Reason | None = None
    policy_version: int | None = None
    permitted_from: InstantOut | None = None
    valid_until: InstantOut | None = Field(
        default=None, description="Until when it stands if nothing more is said."
    )
    error: ErrorInContext | None = None


class DecisionOut(BaseModel):
    """A decision (section 5.5)."""

    decision: bool
    context: DecisionContext


class EvaluationsOut(BaseModel):
    """The decisions, in the order asked; fewer than asked where the semantics stop early."""

    evaluations: list[DecisionOut]


class PageProperties(BaseModel):
    """Whether the pages show one state.

    `same_revision` is false once something was written since the first page, at
    `first_revision`; each page is then as of its own revision.
    """

    revision: Revision
    first_revision: Revision
    same_revision: bool


class PageOut(BaseModel):
    """Where the next page is (section 8.2.2); an empty `next_token` says that there is none."""

    next_token: str
    count: int
    properties: PageProperties


class FoundDecision(BaseModel):
    """The decision behind one result."""

    decision_id: str
    reason: Reason
    policy_version: int | None = None
    permitted_from: InstantOut | None = None
    valid_until: InstantOut | None = None


class SearchContext(BaseModel):
    """When the results were judged, and each one's decision in the order of the results."""

    revision: Revision
    evaluated_at: InstantOut
    decisions: list[FoundDecision]


class EntityOut(BaseModel):
    """A subject or a resource."""

    type: str
    id: str


class ActionOut(BaseModel):
    """An action."""

    name: str


class EntitiesOut(BaseModel):
    """The subjects or resources found (section 8.3)."""

    page: PageOut
    context: SearchContext
    results: list[EntityOut]


class ActionsOut(BaseModel):
    """The actions found (section 8.3)."""

    page: PageOut
    context: SearchContext
    results: list[ActionOut]


class PdpMetadata(BaseModel):
    """Where everything is (section 9)."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str
    jwks_uri: str | None = Field(
        default=None, description="The keys that signed `signed_metadata` (RFC 7517)."
    )
    signed_metadata: str | None = Field(
        default=None, description="The same as a signed JWT, where a key is configured."
    )


class PublicKeys(BaseModel):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[dict[str, str]]
