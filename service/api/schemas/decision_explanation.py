"""Shapes of the sheet: one outcome, everything it rests on, and the proof of each event."""

from typing import Annotated, Any

from pydantic import Field

from service.api.schemas.decisions import DecisionOut, OutcomeOut
from service.api.schemas.log import EnvelopeOut
from service.api.schemas.types import DurationOut, Id, InstantOut, RecipientName, Revision, Shape
from service.domain.assessment import Reason, Standing
from service.domain.consent import Answer
from service.domain.events import ContentStatus
from service.domain.policy import Mode
from service.replay.chain import Clause, Verdict

_Base64 = Annotated[str, Field(description="Standard base64.")]
_Event = Annotated[
    int, Field(description="The revision of the event that says so; `events` has its proof.")
]


class OutcomeWanted(Shape):
    """Which outcome of a decision about many: one of these three; none for a decision about one."""

    position: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="Its place in the order asked, from 0 on."
    )
    content: Id | None = Field(default=None, description="The content that it is about.")
    artist: Id | None = Field(default=None, description="The artist that it is about.")
    batches: bool = Field(
        default=False,
        description="Whether to give the whole batches of bulk events, which may be long. Their "
        "digests stand in the entries; one row of each is given in any case.",
    )


class RecomputedOut(Shape):
    """The answer that the events lead to."""

    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None


class CharterAsItWasOut(Shape):
    """The charter at the decision's revision."""

    platform: str
    min_notice_period: DurationOut
    event: _Event


class ContentAsItWasOut(Shape):
    """The content at the decision's revision; its rightsholders by their references, in order."""

    content: str
    status: ContentStatus
    rightsholders: list[str]
    event: _Event


class PolicyAsItWasOut(Shape):
    """One version of the use's policy."""

    version: int
    mode: Mode
    recipients: list[RecipientName]
    notice_period: DurationOut
    editorial: bool
    launch: bool = Field(description="Published before the ledger's first artist was registered.")
    terms: int = Field(description="The version whose terms these are: its own, or an earlier one.")
    texts: dict[str, str] = Field(description="The SHA-256 of the words in each locale.")
    published_at: InstantOut
    event: _Event


class BindingOut(Shape):
    """From when on a version binds a rightsholder, and by which clause of R7."""

    version: int
    since: InstantOut
    clause: Clause


class WindowAsItWasOut(Shape):
    """A rightsholder's window for a version; it opened when delivery of its notice was recorded."""

    version: int
    opens_at: InstantOut
    closes_at: InstantOut
    event: _Event


class RecordAsItWasOut(Shape):
    """A consent record that covered the question, and what it amounted to."""

    answer: Answer
    use: str
    content: str | None
    recipient: RecipientName | None
    recorded_at: InstantOut
    expires_at: InstantOut | None
    standing: Standing
    shown_version: int | None
    lapses_at: InstantOut | None
    lifted_by: int | None = Field(description="The event of the yes that lifts this no.")
    event: _Event


class RightsholderOut(Shape):
    """One rightsholder's part of the answer.

    `artist` is null where nobody has their id any more, `reason` where nobody can tell: what they
    had said was destroyed by their erasure. `gone` are the events in which they had said it.
    """

    artist: str | None
    subject: str = Field(description="Their reference in the ledger.")
    reason: Reason | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None
    registered_at: InstantOut | None
    registered: _Event | None
    erased: _Event | None
    governing: int | None = Field(description="The version that governed at that instant.")
    judged_by: int | None = Field(description="The version that the answer names.")
    bound: list[BindingOut]
    windows: list[WindowAsItWasOut]
    records: list[RecordAsItWasOut]
    gone: list[int]


class ProofOut(Shape):
    """That the entry is in the tree: a Sigstore bundle's `inclusionProof`, of one checkpoint."""

    log_index: Annotated[str, Field(alias="logIndex", description="The revision less one.")]
    root_hash: Annotated[_Base64, Field(alias="rootHash")]
    tree_size: Annotated[str, Field(alias="treeSize")]
    hashes: list[_Base64] = Field(description="The leaf's sibling first.")
    checkpoint: EnvelopeOut


class BatchOut(Shape):
    """A bulk event's batch. `body` hashes to `digest`, which stands in the entry."""

    digest: str = Field(description="SHA-256, in hexadecimal.")
    count: int
    rows: list["BatchRowOut"] = Field(description="Those about what was asked.")
    body: str | None = Field(description="All of it, with `batches=true`: base64.")


class BatchRowOut(Shape):
    """One row of a batch, and its place from 0 on."""

    position: int
    row: dict[str, Any]


class OpeningOut(Shape):
    """What an entry commits to: its `commitment` is HMAC-SHA256 of `details` under `key`.

    The key is of this event alone and opens no other.
    """

    key: _Base64
    details: str = Field(description="Canonical JSON (RFC 8785), byte for byte.")


class EventOut(Shape):
    """One event: its bytes, and the proof that they are in the ledger."""

    revision: Revision
    recorded_at: InstantOut
    type: str
    entry: _Base64
    proof: ProofOut
    batch: BatchOut | None
    opening: OpeningOut | None = Field(
        description="Where somebody said something, unless erasure has destroyed it."
    )


class DecisionExplanationOut(Shape):
    """One outcome of a decision, and everything that it rests on.

    Proofs show that nothing was added or changed. That nothing was left out is shown by
    `fermata replay` and `fermata verify`, which read all events.
    """

    decision: DecisionOut
    position: int
    outcome: OutcomeOut
    verdict: Verdict
    recomputed: RecomputedOut | None = Field(description="Null where that cannot be told any more.")
    refused_outright: Reason | None = Field(description="What denied before anybody was asked.")
    charter: CharterAsItWasOut | None
    first_artists: _Event | None = Field(
        description="The ledger's first registration: terms from before it are launch terms."
    )
    content: ContentAsItWasOut | None
    policies: list[PolicyAsItWasOut]
    rightsholders: list[RightsholderOut]
    checkpoint: str = Field(description="The signed note that all proofs lead to, word for word.")
    verifier_key: str = Field(description="What verifies it. Compare it with the published one.")
    events: list[EventOut] = Field(description="In order of their revisions.")
    statement: str = Field(
        description="A signed note that tells the SHA-256 of the canonical JSON (RFC 8785) of all "
        "the rest."
    )
