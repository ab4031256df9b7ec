"""What the form that asks for an export says, read into what exports are asked for with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from service.db.engine import ReadSession
from service.decisions.log.entry import subject_of
from service.domain.instant import Instant, parse_instant
from service.domain.refusal import Refusal, Refused
from service.exports.wanted import Filters, Format, Wanted
from service.web.csrf import Form

FIELDS: Final = ("use", "recipient", "artist", "content", "run", "since", "until", "as_of")
_LONGEST: Final = 512
_MOST_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody filled it in, to be shown again; empty where nobody has yet."""

    chosen: frozenset[str]
    format: str
    openings: bool
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """What a form asks for, and the state of the ledger that it shall be of; None is now."""

    wanted: Wanted
    as_of: int | str | None


def filled_in(form: Form) -> Filled:
    """Return what was filled in."""
    return Filled(
        chosen=frozenset([*form.all("dataset"), *form.all("pack")]),
        format=form.get("format") or Format.PARQUET.value,
        openings=form.get("openings") == "yes",
        fields={name: _field(form, name) for name in FIELDS},
    )


def blank() -> Filled:
    """Return a form that nobody has filled in."""
    return Filled(
        frozenset(), Format.PARQUET.value, openings=False, fields=dict.fromkeys(FIELDS, "")
    )


async def read_question(session: ReadSession, form: Form) -> Question:
    """Return what a form asks for. Raises Refused naming every field that cannot be read.

    Days are whole ones in UTC, the last of them part of it.
    """
    refusals: list[Refusal] = []
    given = {name: _field(form, name) or None for name in FIELDS}
    since = _day(given["since"], "since", refusals)
    until = _day(given["until"], "until", refusals, after=timedelta(days=1))
    as_of = _as_of(given["as_of"], refusals)
    artist = given["artist"]
    subject = None if artist is None else await subject_of(session, artist)
    if artist is not None and subject is None:
        refusals.append(Refusal("artist", "unknown_artist", "no artist has this id"))
    if form.get("format") not in set(Format):
        refusals.append(Refusal("format", "unknown_format", "choose one of the formats"))
    if refusals:
        raise Refused(refusals)
    filters = Filters(
        use=given["use"],
        recipient=given["recipient"],
        artist=subject,
        content=given["content"],
        run=given["run"],
        since=since,
        until=until,
    )
    wanted = Wanted(
        datasets=tuple(form.all("dataset")),
        packs=tuple(form.all("pack")),
        format=Format(form.get("format") or ""),
        filters=filters,
        openings=form.get("openings") == "yes",
    )
    return Question(wanted, as_of)


def as_said(refused: Refused) -> Sequence[str]:
    """Return what is the matter with each field, as sentences."""
    return list(_sentences(refused))


def _sentences(refused: Refused) -> Iterator[str]:
    for one in refused.refusals:
        field = one.field.removeprefix("filters.").replace("_", " ")
        yield f"{field}: {one.message}"


def _field(form: Form, name: str) -> str:
    return (form.get(name) or "").strip()[:_LONGEST]


def _day(
    text: str | None, name: str, refusals: list[Refusal], *, after: timedelta = timedelta()
) -> Instant | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) + after
        return parse_instant(f"{day.isoformat()}T00:00:00Z")
    except (ValueError, OverflowError):
        refusals.append(Refusal(name, "no_day", "write a day as 2026-03-01"))
        return None


def _as_of(text: str | None, refusals: list[Refusal]) -> int | str | None:
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    try:
        parse_instant(text)
    except ValueError:
        message = "write the number of an event, or an instant as 2026-03-01T00:00:00Z"
        refusals.append(Refusal("as_of", "no_moment", message))
        return None
    return text
