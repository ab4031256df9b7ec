"""What shapes are made of: identifiers, names, times, words, each with its limits."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.domain import uses
from service.domain.instant import (
    format_duration,
    parse_duration,
    parse_instant,
)

LONGEST_ID = 200
LARGEST_VERSION = 2**31 - 1
LARGEST_REVISION = 2**63 - 1
MOST_ROWS = 10_000
MOST_TEXT = 200_000


_USE_ADVICE: Final = "write a use as lower-case words joined by dots: training.generative.music"


def _use(text: str) -> str:
    if not uses.is_path(text):
        raise ValueError(_USE_ADVICE)
    return text


def _node(text: str) -> str:
    if not uses.is_node(text):
        raise ValueError(_USE_ADVICE)
    return text


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
    # Thirty thousand times in one request: a glance is enough for most.
    half = not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    if half or "\0" in text:
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
_SEGMENTS = r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*"
Search = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_ID), AfterValidator(storable)
]
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
