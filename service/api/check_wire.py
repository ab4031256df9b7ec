"""The check on the wire: read and written without an object per content."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from service.api.problems import BodyMalformed
from service.api.schemas.types import LARGEST_REVISION, LARGEST_VERSION, LONGEST_ID, MOST_ROWS
from service.decisions.check import (
    Answer,
    AtLeast,
    Check,
    Consistency,
    MaxStaleness,
    Strong,
)
from service.decisions.explanation import ArtistExplanation, Explanation
from service.domain.assessment import Applied
from service.domain.instant import SECOND, Instant, format_instant, parse_instant
from service.domain.interval import Interval
from service.domain.refusal import refuse
from service.ledger.events import Json

_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Ids: TypeAlias = Annotated[list[_Id], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]
_InstantText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="Another instant than now, RFC 3339. Takes the scope fermata:audit as well.",
        extra_json_schema={"format": "date-time"},
    ),
]
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_LONGEST_STALENESS_MS: Final = 86_400_000


class CheckConsistency(msgspec.Struct, forbid_unknown_fields=True):
    """How old the state may be: exactly one of the two."""

    at_least: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_REVISION)] | None = None
    max_staleness_ms: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_STALENESS_MS)] | None = None


class CheckRequest(msgspec.Struct, forbid_unknown_fields=True):
    """May this content be used for this, by them, now? Give `content` or `artists`, not both."""

    use: _Text
    recipient: _Text = "internal"
    content: _Ids | None = None
    artists: _Ids | None = None
    consistency: Literal["strong"] | CheckConsistency = "strong"
    min_policy_version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_VERSION)] | None = None
    at: _InstantText | None = None
    explain: bool = False
    shape: Literal["objects", "columns"] = "objects"


_decoder = msgspec.json.Decoder(CheckRequest)


def read_check(body: bytes) -> tuple[Check, Literal["objects", "columns"]]:
    """Read a check and the shape it wants. Raises BodyMalformed or Refused."""
    try:
        asked = _decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.strip("`").removeprefix(".") or "body"
        raise refuse(field, "invalid", message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the body is not valid JSON: {error}"
        raise BodyMalformed(message) from None
    if b"\\u0000" in body:  # JSON has no other way to write one
        _refuse_nul(asked)
    if (asked.content is None) == (asked.artists is None):
        raise refuse("content", "content_or_artists", "give `content` or `artists`, and not both")
    return (
        Check(
            use=asked.use,
            recipient=asked.recipient,
            content=None if asked.content is None else tuple(asked.content),
            artists=None if asked.artists is None else tuple(asked.artists),
            consistency=consistency_of(asked.consistency),
            min_policy_version=asked.min_policy_version,
            at=None if asked.at is None else _at(asked.at),
            explain=asked.explain,
        ),
        asked.shape,
    )


def _refuse_nul(asked: CheckRequest) -> None:
    """PostgreSQL's text has no NUL, so nothing there has one, and the decision's log cannot."""
    lists = {"content": asked.content or (), "artists": asked.artists or ()}
    fields = {"use": asked.use, "recipient": asked.recipient}
    fields |= {f"{name}[{n}]": one for name, ids in lists.items() for n, one in enumerate(ids)}
    for field, text in fields.items():
        if "\0" in text:
            raise refuse(field, "invalid", "no name here holds the character NUL")


def consistency_of(asked: Literal["strong"] | CheckConsistency) -> Consistency:
    """Read a consistency. Raises Refused."""
    if not isinstance(asked, CheckConsistency):
        return Strong()
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


class _Instants:
    """Writes instants; most of a batch share few of them."""

    def __init__(self) -> None:
        self._known: dict[Instant | None, str | None] = {None: None}

    def __call__(self, instant: Instant | None) -> str | None:
        if instant not in self._known:
            self._known[instant] = format_instant(instant)  # type: ignore[arg-type]
        return self._known[instant]


def write_answer(answer: Answer, shape: Literal["objects", "columns"]) -> bytes:
    """Return the answer's JSON, results in the order asked."""
    check = answer.check
    body: Json = {
        "decision_id": answer.decision_id,
        "revision": answer.revision,
        "evaluated_at": format_instant(answer.evaluated_at),
        "use": check.use,
        "recipient": check.recipient,
    }
    rows = _rows(answer)
    if shape == "objects":
        body["results"] = rows
    else:
        body["results"] = {name: [row[name] for row in rows] for name in rows[0]}
    return msgspec.json.encode(body)


def _rows(answer: Answer) -> list[Json]:
    check = answer.check
    asked, named = (
        (check.content, "content") if check.content is not None else (check.artists, "artist")
    )
    written = _Instants()
    rows: list[Json] = [
        {
            named: one,
            "permitted": decision.permitted,
            "reason": decision.reason.value,
            "policy_version": decision.policy_version,
            "permitted_from": written(decision.interval.start),
            "valid_until": written(decision.interval.end),
        }
        for one, decision in zip(asked or (), answer.decisions, strict=True)
    ]
    if answer.explanations is not None:
        for row, explanation in zip(rows, answer.explanations, strict=True):
            row["explanation"] = explanation_json(explanation)
    return rows


def explanation_json(explanation: Explanation) -> Json:
    """Return the whole chain behind one result."""
    return {
        "refused_outright": explanation.refused_outright,
        "rightsholders": [_artist_json(one) for one in explanation.rightsholders],
    }


def _artist_json(one: ArtistExplanation) -> Json:
    return {
        "artist": one.artist,
        "reason": one.reason.value,
        **_interval_json(one.interval),
        "policy": None
        if one.policy is None
        else {
            "version": one.policy.version,
            "mode": one.policy.mode.value,
            "recipients": sorted(one.policy.recipients),
            "revision": one.policy.revision,
        },
        "windows": [
            {
                "policy_version": window.version,
                "opens_at": format_instant(window.opens_at),
                "closes_at": format_instant(window.closes_at),
            }
            for window in one.windows
        ],
        "records": [_record_json(record) for record in one.records],
    }


def _record_json(applied: Applied) -> Json:
    record = applied.record
    return {
        "revision": record.revision,
        "recorded_at": format_instant(record.recorded_at),
        "answer": record.answer.value,
        "use": record.scope.use,
        "content": record.scope.content,
        "recipient": record.scope.recipient,
        "expires_at": _optional(record.expires_at),
        "standing": applied.standing.value,
        "shown_version": applied.version,
        "lapses_at": _optional(applied.lapses_at),
        "lifted_by": applied.lifted_by,
    }


def _interval_json(interval: Interval) -> Json:
    return {
        "permitted_from": _optional(interval.start),
        "valid_until": _optional(interval.end),
    }


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def request_schema() -> tuple[Json, Json]:
    """Return the request's JSON Schema and the schemas it refers to."""
    (schema,), components = msgspec.json.schema_components(
        [CheckRequest], ref_template="#/components/schemas/{name}"
    )
    return schema, components
