"""Changes on the wire: one JSON object each, as a line of NDJSON or as a server-sent event."""

from typing import Final

import msgspec

from service.decisions.changes.position import Position
from service.decisions.changes.reading import Answered, Entry, Told
from service.decisions.changes.touched import Anew
from service.decisions.compiled.answers import NO_INSTANT, REASONS
from service.decisions.question import About
from service.domain.instant import Instant, format_instant
from service.ledger.events import Json

_NAMED: Final = {About.CONTENT: "content", About.ARTISTS: "artist"}


def line_of(entry: Entry) -> bytes:
    """Return what one entry says."""
    return _anew(entry) if isinstance(entry, Anew) else _told(entry)


def reached(position: Position, now: Instant) -> bytes:
    """Say that everything up to a position has been told, as of the ledger's time `now`."""
    return msgspec.json.encode(
        {
            "type": "reached",
            "revision": position.revision,
            "at": format_instant(now),
            "since": str(position),
        }
    )


def more(position: Position) -> bytes:
    """Say that the page is full."""
    return msgspec.json.encode({"type": "more", "since": str(position)})


def event(name: str, data: bytes, position: Position | None = None) -> bytes:
    """Return a server-sent event; `data` has no line break, and a position becomes its id."""
    where = "" if position is None else f"id: {position}\n"
    return b"".join((f"event: {name}\n{where}data: ".encode(), data, b"\n\n"))


def passed(position: Position) -> bytes:
    """Let a reader go on from a position at which nothing is told: an id, and no event."""
    return f"id: {position}\n\n".encode()


def name_of(entry: Entry) -> str:
    """Return what an entry is called as an event."""
    return "ask_anew" if isinstance(entry, Anew) else "answers"


def _anew(anew: Anew) -> bytes:
    return msgspec.json.encode(
        {
            "type": "ask_anew",
            "revision": anew.revision,
            "use": anew.use,
            "recipient": None,
            "about": anew.about,
        }
    )


def _told(told: Told) -> bytes:
    """Write the name of this reader's decision before what is the same for all readers."""
    answered = told.answered
    answered.written = answered.written or _answers(answered)
    return b"".join(
        (f'{{"type":"answers","decision_id":"{told.decision_id}",'.encode(), answered.written)
    )


def _answers(answered: Answered) -> bytes:
    return msgspec.json.encode(
        {
            "revision": answered.revision,
            "evaluated_at": format_instant(answered.evaluated_at),
            "use": answered.use,
            "recipient": answered.recipient,
            "results": _results(answered),
        }
    )[1:]


def _results(answered: Answered) -> list[Json]:
    named, answers = _NAMED[answered.about], answered.answers
    columns = (
        answered.names,
        answers.permitted.tolist(),
        answers.reason.tolist(),
        answers.policy_version.tolist(),
        answers.start.tolist(),
        answers.end.tolist(),
    )
    return [
        {
            named: one,
            "permitted": permitted,
            "reason": REASONS[reason].value,
            "policy_version": version or None,
            "permitted_from": _instant(start),
            "valid_until": _instant(end),
        }
        for one, permitted, reason, version, start, end in zip(*columns, strict=True)
    ]


def _instant(instant: Instant) -> str | None:
    return None if instant == NO_INSTANT else format_instant(instant)
