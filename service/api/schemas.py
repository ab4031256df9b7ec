"""The shapes of requests and answers on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.domain import uses
from service.domain.consent import Answer
from service.domain.events import ContentStatus
from service.domain.instant import (
    format_duration,
    parse_duration,
    parse_instant,
)
from service.domain.policy import Mode
from service.notices.deliveries import Outcome

LONGEST_ID = 200
LARGEST_VERSION = 2**31 - 1
LARGEST_REVISION = 2**63 - 1
MOST_ROWS = 10_000
MOST_TEXT = 200_000


def _use(text: str) -> str:
    if not uses.is_path(text):
        message = "write a use as lower-case words joined by dots: training.generative.music"
        raise ValueError(message)
    return text


def _node(text: str) -> str:
    return text if text == uses.ROOT else _use(text)


def _recipient(text: str) -> str:
    if not uses.is_recipient(text):
        message = "a recipient is `internal`, or a kind and an id such as partner:musiio"
        raise ValueError(message)
    return text


def _duration(text: str) -> str:
    return format_duration(parse_duration(text))


def _instant(text: str) -> str:
    parse_instant(text)
    return text


def storable(text: str) -> str:
    """PostgreSQL's text has no NUL, and half a surrogate pair is no text at all."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        message = "this text holds a character that cannot be stored"
        raise ValueError(message)
    return text


def _addressable(text: str) -> str:
    """These two would be taken for steps in a path, by clients and by what lies between."""
    if text in {".", ".."}:
        message = "this id cannot stand in an address: choose another"
        raise ValueError(message)
    return text


Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ID),
    AfterValidator(storable),
    AfterValidator(_addressable),
    Field(description="An opaque id of the platform's, up to 200 characters."),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(storable)]
# What the rules check is repeated here as patterns for readers of the contract; a test holds the
# two against each other.
_SEGMENTS = r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*"
UsePath = Annotated[
    str,
    AfterValidator(_use),
    Field(
        description="A use: a dotted path.",
        examples=["discovery.recommendation"],
        json_schema_extra={"pattern": f"^{_SEGMENTS}$", "maxLength": uses.LONGEST_PATH},
    ),
]
UseNode = Annotated[
    str,
    AfterValidator(_node),
    Field(
        description="A use, a group of uses, or `*` for all.",
        examples=["*", "training"],
        json_schema_extra={"pattern": rf"^(\*|{_SEGMENTS})$", "maxLength": uses.LONGEST_PATH},
    ),
]
RecipientName = Annotated[
    str,
    AfterValidator(_recipient),
    Field(
        description="`internal`, or a kind and an id of printable characters without blanks.",
        examples=["internal", "partner:musiio"],
        json_schema_extra={
            "pattern": r"^(internal|[a-z][a-z0-9_-]*:[^\s:][^\s]*)$",
            "maxLength": uses.LONGEST_PATH,
        },
    ),
]
DurationText = Annotated[
    str,
    AfterValidator(_duration),
    Field(
        description="An ISO 8601 duration of fixed length, up to P36500D.",
        examples=["P30D"],
        json_schema_extra={
            "pattern": r"^P(?=.)([0-9]{1,6}W)?([0-9]{1,6}D)?"
            r"(T(?=.)([0-9]{1,8}H)?([0-9]{1,9}M)?([0-9]{1,11}S)?)?$"
        },
    ),
]
InstantText = Annotated[
    str,
    AfterValidator(_instant),
    Field(
        description="An RFC 3339 date and time.",
        examples=["2026-03-01T00:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
InstantOut = Annotated[
    str,
    Field(
        description="An instant: RFC 3339, UTC, to the microsecond.",
        json_schema_extra={"format": "date-time"},
    ),
]
DurationOut = Annotated[str, Field(description="An ISO 8601 duration: days, then time.")]
Revision = Annotated[int, Field(description="The number of events in the ledger by then.")]
Locale = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35),
    Field(description="A BCP 47 language tag.", examples=["en", "pt-BR"]),
]
Words = Annotated[
    str, StringConstraints(min_length=1, max_length=MOST_TEXT), AfterValidator(storable)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Channel = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$"),
    Field(description="Where it happened.", examples=["settings_page", "email"]),
]


class Shape(BaseModel):
    """The base of all shapes: an unknown field is refused, so that a typo is never ignored."""

    model_config = ConfigDict(extra="forbid")


class CharterIn(Shape):
    """The charter that opens the ledger."""

    platform: Name = Field(examples=["Example Sounds"])
    min_notice_period: DurationText = "P30D"


class CharterTightening(Shape):
    """A longer shortest window."""

    min_notice_period: DurationText


class CharterOut(Shape):
    """The charter in force."""

    platform: str
    min_notice_period: DurationOut
    revision: Revision
    recorded_at: InstantOut


class UseNames(Shape):
    """What a node of the tree of uses is called, by locale."""

    names: dict[Locale, Name] = Field(min_length=1, max_length=100)


class UseOut(Shape):
    """A named node."""

    use: str
    names: dict[str, str]
    revision: Revision


class PolicyIn(Shape):
    """A policy version to publish."""

    mode: Mode
    recipients: list[RecipientName] = Field(max_length=500, examples=[["internal"]])
    notice_period: DurationText
    texts: dict[Locale, Words] = Field(
        min_length=1,
        max_length=100,
        description="The words, by locale. Every byte counts.",
        examples=[{"en": "# Recommendations\n\nWe suggest your tracks to listeners."}],
    )
    editorial: bool = Field(
        default=False, description="Spelling or translation only; publicly marked as such for ever."
    )
    after: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_VERSION,
        description="The latest version you know; another one is a conflict.",
    )


class TextOut(Shape):
    """One locale's exact words and their SHA-256."""

    text: str
    sha256: str


class PolicyOut(Shape):
    """A published version. `terms` is the version whose terms it carries."""

    use: str
    version: int
    mode: Mode
    recipients: list[str]
    notice_period: DurationOut
    texts: dict[str, TextOut]
    editorial: bool
    launch: bool
    terms: int
    published_at: InstantOut
    revision: Revision
    notice: str


class ColumnPreview(Shape):
    """How many artists a version would bind under one recipient, and when."""

    recipient: str
    at_publication: int
    as_pending_windows_close: int
    when_their_own_window_closes: int


class PolicyPreview(Shape):
    """What publishing would do. Nothing has been done."""

    dry_run: Literal[True] = True
    use: str
    version: int
    launch: bool
    resumes_terms_of: int | None
    artists: int
    earliest_window_closes_at: InstantOut | None
    columns: list[ColumnPreview]


class UseSummary(Shape):
    """A leaf's latest version, without its words."""

    use: str
    names: dict[str, str]
    latest_version: int | None
    mode: Mode | None
    recipients: list[str]


class UseList(Shape):
    """Every node that has a name or a policy."""

    uses: list[UseSummary]


class PolicyList(Shape):
    """All versions of a use, in order."""

    policies: list[PolicyOut]


class ArtistIn(Shape):
    """An artist to register."""

    artist: Id
    name: Name | None = None


class ArtistsIn(Shape):
    """Artists to register together."""

    artists: list[ArtistIn] = Field(min_length=1, max_length=MOST_ROWS)


class ArtistsOut(Shape):
    """What registering did."""

    registered: int
    already_registered: int
    revision: Revision


class ArtistOut(Shape):
    """A registered artist."""

    artist: str
    name: str | None
    registered_at: InstantOut
    revision: Revision


class DelegateIn(Shape):
    """What a delegate may do. Saying no is always among it."""

    may_opt_in: bool = False


class DelegateOut(Shape):
    """A delegation."""

    artist: str
    delegate: str
    may_opt_in: bool
    granted_at: InstantOut
    revoked_at: InstantOut | None
    revision: Revision


class DelegateList(Shape):
    """Everybody who acts or acted for an artist."""

    delegates: list[DelegateOut]


class ContentIn(Shape):
    """One content: its rightsholders in its own order, the first one first."""

    content: Id
    rightsholders: list[Id] = Field(max_length=100)
    status: ContentStatus = ContentStatus.ACTIVE
    isrc: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$")] | None = None
    title: Name | None = None


class ContentsIn(Shape):
    """Content to add or replace, all of it or none."""

    content: list[ContentIn] = Field(min_length=1, max_length=MOST_ROWS)


class ContentsOut(Shape):
    """What putting did."""

    put: int
    unchanged: int
    revision: Revision


class ContentOut(Shape):
    """One content as it is now."""

    content: str
    rightsholders: list[str | None]
    status: ContentStatus
    isrc: str | None
    title: str | None
    put_at: InstantOut
    revision: Revision


class ShownIn(Shape):
    """What the giver was shown for one use."""

    use: UsePath
    version: int = Field(ge=1, le=LARGEST_VERSION)
    locale: Locale | None = None
    text_sha256: Sha256 | None = None


class ConsentIn(Shape):
    """A statement to record."""

    answer: Answer
    use: UseNode
    content: Id | None = None
    recipient: RecipientName | None = None
    expires_at: InstantText | None = None
    channel: Channel
    locale: Locale | None = None
    shown: list[ShownIn] = Field(default_factory=list, max_length=1_000)


class EvidenceOut(Shape):
    """How a statement is known. `names` are the versions that a yes binds to."""

    actor: str
    acting_as: str
    channel: str
    locale: str | None
    names: dict[str, int]
    shown: list[dict[str, Any]]


class ConsentOut(Shape):
    """A consent record."""

    artist: str
    revision: Revision
    recorded_at: InstantOut
    answer: Answer
    use: str
    content: str | None
    recipient: str | None
    expires_at: InstantOut | None
    evidence: EvidenceOut


class ConsentList(Shape):
    """Records, newest first. `next_before` is where the next page starts, or null."""

    consents: list[ConsentOut]
    next_before: int | None


class DeliveryIn(Shape):
    """What became of a notice at one artist. `reported_at` is evidence and starts nothing."""

    artist: Id
    outcome: Outcome = Outcome.DELIVERED
    channel: Channel
    reported_at: InstantText | None = None


class DeliveriesIn(Shape):
    """Reports about one notice."""

    deliveries: list[DeliveryIn] = Field(min_length=1, max_length=MOST_ROWS)


class DeliveriesOut(Shape):
    """What the reports did."""

    notice: str
    delivered: int
    bounced: int
    already_known: int
    revision: Revision


class NoticeOut(Shape):
    """A notice and how far it has come."""

    notice: str
    use: str
    version: int
    announced_at: InstantOut
    delivered: int
    bounced: int
    revision: Revision


class ErrorOut(BaseModel):
    """One thing in the way."""

    field: str
    code: str
    message: str


class ProblemOut(BaseModel):
    """A problem (RFC 9457). `type` and each error's `code` are stable."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ErrorOut] | None = None


class Liveness(Shape):
    """The process runs."""

    status: Literal["alive"] = "alive"


class Readiness(Shape):
    """Whether this replica answers, at which revision."""

    status: Literal["ready"] = "ready"
    revision: Revision
