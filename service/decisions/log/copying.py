"""Decisions as PostgreSQL's COPY takes them in binary (PostgreSQL, "COPY", "Binary Format").

Of all ways to insert a few rows this one costs this process and the database the least: measured in
docs/decisions/0022-the-log-of-decisions.md.
"""

import struct
from functools import lru_cache
from typing import Final

import msgspec

from service.decisions.compiled.answers import REASONS, Answers
from service.decisions.log.packing import counts
from service.decisions.log.row import LoggedDecision

TABLE: Final = "decisions"
COLUMNS: Final = (
    "decision_id",
    "answered_at",
    "evaluated_at",
    "revision",
    "number",
    "client",
    "caller",
    "use",
    "recipient",
    "about",
    "request",
    "reasons",
    "run",
    "job",
    "one",
    "outcomes",
)
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

_EPOCH: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from the year 2000."""

_NUMBERS: Final = struct.Struct(">iqiqiqii").pack
_COUNT: Final = struct.Struct(">h").pack(len(COLUMNS))
_LENGTH: Final = struct.Struct(">i").pack
_NULL: Final = _LENGTH(-1)
_JSONB: Final = b"\1"
"""The version of jsonb's binary form, which is the text after it."""

_REPLACEMENT: Final = "\ufffd"
_DIFFERENT_WORDS: Final = 16_384


def copied_row(decision: LoggedDecision, packed: bytes) -> bytes:
    """Return one row of COPY; `packed` is what `pack` made of the decision's outcomes."""
    ids, answers = decision.ids, decision.answers
    number = len(ids)
    return b"".join(
        (
            _COUNT,
            _word(decision.decision_id),
            _NUMBERS(
                8,
                decision.answered_at - _EPOCH,
                8,
                decision.evaluated_at - _EPOCH,
                8,
                decision.revision,
                4,
                number,
            ),
            _known_word(decision.client),
            _known_word(decision.caller),
            _known_word(decision.use),
            _known_word(decision.recipient),
            _known_word(decision.about.value),
            _json(decision.request_text()),
            _REASONS_OF_ONE[answers.reason.item(0)] if number == 1 else _reasons(answers),
            _NULL if decision.run is None else _known_word(decision.run),
            _NULL if decision.job is None else _known_word(decision.job),
            _one(ids.text(0)) if number == 1 else _NULL,
            _LENGTH(len(packed)),
            packed,
        )
    )


def _field(data: bytes) -> bytes:
    return _LENGTH(len(data)) + data


def _word(text: str) -> bytes:
    """Return a text's field. What PostgreSQL's text cannot hold must not fail everybody's group."""
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    return _field(text.encode("utf-8", "replace"))


@lru_cache(_DIFFERENT_WORDS)
def _known_word(text: str) -> bytes:
    return _word(text)


def _json(text: bytes) -> bytes:
    return _LENGTH(len(text) + 1) + _JSONB + text


def _one(text: bytes) -> bytes:
    """Return the field of the only id. One that is no text is among the outcomes alone."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return _NULL
    return _NULL if b"\0" in text else _field(text)


def _reasons(answers: Answers) -> bytes:
    return _json(msgspec.json.encode(counts(answers)))


_REASONS_OF_ONE: Final = tuple(_json(msgspec.json.encode({reason.value: 1})) for reason in REASONS)
