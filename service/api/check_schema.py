"""How the check is described in the OpenAPI document where nothing generates it.

`check_results` and `check_arrow` write the answers by hand.
"""

from typing import Any, Final

from pydantic import BaseModel, Field

from service.api.schemas.types import InstantOut, Revision
from service.domain.assessment import Reason, Standing
from service.domain.consent import Answer
from service.domain.policy import Mode


class PolicyInForce(BaseModel):
    """The version an artist's answer was judged by."""

    version: int
    mode: Mode
    recipients: list[str]
    revision: Revision


class WindowSeen(BaseModel):
    """One artist's window for one version."""

    policy_version: int
    opens_at: InstantOut
    closes_at: InstantOut


class RecordApplied(BaseModel):
    """A record that covers the check, what it amounts to, and which yes lifts it."""

    revision: Revision
    recorded_at: InstantOut
    answer: Answer
    use: str
    content: str | None
    recipient: str | None
    expires_at: InstantOut | None
    standing: Standing
    shown_version: int | None
    lapses_at: InstantOut | None
    lifted_by: int | None


class RightsholderExplained(BaseModel):
    """One rightsholder's part of an answer."""

    artist: str | None
    reason: Reason
    permitted_from: InstantOut | None
    valid_until: InstantOut | None
    policy: PolicyInForce | None
    windows: list[WindowSeen]
    records: list[RecordApplied]


class Explained(BaseModel):
    """The whole chain behind one result."""

    refused_outright: Reason | None
    rightsholders: list[RightsholderExplained]


class CheckResult(BaseModel):
    """One answer. The two instants are the interval in which it permits if nothing more is said."""

    content: str | None = Field(default=None, description="Where content was asked about.")
    artist: str | None = Field(default=None, description="Where artists were asked about.")
    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None
    explanation: Explained | None = None


class CheckColumns(BaseModel):
    """The same as parallel arrays, for large batches."""

    content: list[str] | None = None
    artist: list[str] | None = None
    permitted: list[bool]
    reason: list[Reason]
    policy_version: list[int | None]
    permitted_from: list[InstantOut | None]
    valid_until: list[InstantOut | None]
    explanation: list[Explained] | None = None


class CheckAnswer(BaseModel):
    """The answers in the order asked, at one revision and one instant."""

    decision_id: str
    revision: Revision
    evaluated_at: InstantOut
    use: str
    recipient: str
    results: list[CheckResult] | CheckColumns


ARROW_REQUEST: Final[dict[str, Any]] = {
    "description": "An Arrow IPC stream. Its one column, `content` or `artist`, holds up to "
    "1,000,000 ids: strings of any encoding that Arrow has for them, none of them null. The "
    "schema's metadata has what else the request says, but for `explain`, as JSON under the key "
    '`fermata.check`: `{"use": "discovery.recommendation"}`.',
    "type": "string",
    "contentMediaType": "application/vnd.apache.arrow.stream",
}
ARROW_ANSWER: Final[dict[str, Any]] = {
    "description": "An Arrow IPC stream of the columns `content` or `artist`, `permitted` (bool), "
    "`reason` (dictionary of int8 to utf8), `policy_version` (int32), `permitted_from` and "
    "`valid_until` (timestamp in microseconds, UTC), the last three null where there is none. The "
    "schema's metadata has `decision_id`, `revision`, `evaluated_at`, `use` and `recipient`.",
    "type": "string",
    "contentMediaType": "application/vnd.apache.arrow.stream",
}
