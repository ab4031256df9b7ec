"""The check on the wire: what stands around the ids, and what it means.

    read_check(body) -> Asked       # of a request in JSON
    read_about(text) -> AboutCheck  # of a request in Arrow, whose ids stand in a column

Whatever it is asked in, a check is the same question, and `asked_of` makes it.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec

from service.api.check_ids import IdList, Ids, ids_in_json, refuse_nul, refused
from service.api.check_results import Shape
from service.api.problems import BodyMalformed
from service.api.schemas.types import LARGEST_REVISION, LARGEST_VERSION, LONGEST_ID
from service.decisions.question import (
    STRONG,
    About,
    AtLeast,
    Check,
    Consistency,
    MaxStaleness,
)
from service.domain.instant import SECOND, Instant, parse_instant
from service.domain.refusal import refuse
from service.ledger.events import Json

_InstantText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="Another instant than now, RFC 3339. Takes the scope fermata:audit as well.",
        extra_json_schema={"format": "date-time"},
    ),
]
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Run: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=LONGEST_ID,
        description="The pipeline's own name of the job that asks. It is only recorded.",
    ),
]
_LONGEST_STALENESS_MS: Final = 86_400_000
_ABSENT: Final = msgspec.Raw()
_T = TypeVar("_T")


class CheckConsistency(msgspec.Struct, forbid_unknown_fields=True):
    """How old the state may be: exactly one of the two."""

    at_least: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_REVISION)] | None = None
    max_staleness_ms: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_STALENESS_MS)] | None = None


class AboutCheck(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a check is about, but for the ids: what Arrow carries beside its column."""

    use: _Text
    recipient: _Text = "internal"
    consistency: Literal["strong"] | CheckConsistency = "strong"
    min_policy_version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_VERSION)] | None = None
    at: _InstantText | None = None
    explain: bool = False
    shape: Shape = "objects"
    run: _Run | None = None


class _CheckInJson(AboutCheck, forbid_unknown_fields=True, kw_only=True):
    """The same with its ids as they were sent."""

    content: msgspec.Raw = _ABSENT
    artists: msgspec.Raw = _ABSENT


class CheckRequest(AboutCheck, forbid_unknown_fields=True, kw_only=True):
    """May this content be used for this, by them, now? Give `content` or `artists`, not both."""

    content: IdList | None = None
    artists: IdList | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A check as it was read, its ids, and the shape that an answer in JSON shall have."""

    check: Check
    ids: Ids
    shape: Shape


_in_json = msgspec.json.Decoder(_CheckInJson)
_about = msgspec.json.Decoder(AboutCheck)


def read_check(body: bytes) -> Asked:
    """Read a check in JSON. Raises BodyMalformed or Refused."""
    asked = _decoded(_in_json, body)
    lists = {About.CONTENT: asked.content, About.ARTISTS: asked.artists}
    given = {about: raw for about, raw in lists.items() if _is_there(raw)}
    if len(given) != 1:
        raise refuse("content", "content_or_artists", "give `content` or `artists`, and not both")
    ((about, raw),) = given.items()
    return asked_of(asked, about, ids_in_json(bytes(raw), about.value))


def read_about(text: bytes) -> AboutCheck:
    """Read what a check is about, but for the ids. Raises BodyMalformed or Refused."""
    return _decoded(_about, text)


def asked_of(asked: AboutCheck, about: About, ids: Ids) -> Asked:
    """Return the question that its parts are. Raises Refused."""
    for field in ("use", "recipient", "run"):
        refuse_nul(field, getattr(asked, field) or "")
    check = Check(
        use=asked.use,
        recipient=asked.recipient,
        about=about,
        ids=ids.spelled,
        consistency=consistency_of(asked.consistency),
        min_policy_version=asked.min_policy_version,
        at=None if asked.at is None else _at(asked.at),
        explain=asked.explain,
        run=asked.run,
    )
    return Asked(check, ids, asked.shape)


def _decoded(decoder: msgspec.json.Decoder[_T], text: bytes) -> _T:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise refused(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyMalformed(f"the body is not valid JSON: {error}") from None


def _is_there(raw: msgspec.Raw) -> bool:
    return raw is not _ABSENT and bytes(memoryview(raw)[:4]) != b"null"


def consistency_of(asked: Literal["strong"] | CheckConsistency) -> Consistency:
    """Read a consistency. Raises Refused."""
    if not isinstance(asked, CheckConsistency):
        return STRONG
    if asked.at_least is not None and asked.max_staleness_ms is None:
        return AtLeast(asked.at_least)
    if asked.max_staleness_ms is not None and asked.at_least is None:
        return MaxStaleness(asked.max_staleness_ms * SECOND // 1_000)
    message = 'ask for "strong", {"at_least": revision} or {"max_staleness_ms": milliseconds}'
    raise refuse("consistency", "invalid", message)


def _at(text: str) -> Instant:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise refuse("at", "invalid", str(error)) from None


def request_schema() -> tuple[Json, Json]:
    """Return the request's JSON Schema and the schemas it refers to."""
    (schema,), components = msgspec.json.schema_components(
        [CheckRequest], ref_template="#/components/schemas/{name}"
    )
    return schema, components
