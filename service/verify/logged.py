"""What the log of decisions has beside each decision's outcomes, and only says again what they say.

Look-ups go by it: one that was altered there would be looked for in vain. docs/decision-log.md says
how a decision is named and how its outcomes lie in the table; this is read from there.
"""

import re
from collections import Counter
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from service.verify.connecting import Connection
from service.verify.finding import Findings, What
from service.verify.leaf import stored_json

_AT_ONCE: Final = 500
_LONG: Final = 1 << 16
"""Bytes of outcomes that are read by themselves."""
_LARGEST: Final = 1 << 30
_ROWS: Final = f"""
SELECT decision_id, answered_at, revision, number, one, reasons,
    CASE WHEN octet_length(outcomes) <= {_LONG} THEN outcomes END AS outcomes
FROM decisions
"""  # noqa: S608 - a number of ours
_HAS_COLUMNS: Final = """
SELECT count(*) > 0 FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = 'decisions' AND column_name = 'reasons'
"""
_ALONE: Final = "SELECT outcomes FROM decisions WHERE answered_at = $1 AND decision_id = $2"
_NAME: Final = re.compile(r"dec_[0-9a-f]{12}7[0-9a-f]{19}", re.ASCII)
"""A name that tells when it was given, and one of an older release, which does not."""
_OLD_NAME: Final = re.compile(r"dec_[0-9a-f]{12}4[0-9a-f]{19}", re.ASCII)
_PREFIX: Final = len("dec_")
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_FORMAT: Final = 1
_PARTS: Final = 11


async def hold_logged(connection: Connection, findings: Findings) -> None:
    """Hold each logged decision's own columns against its name and its outcomes."""
    if not await connection.fetchval(_HAS_COLUMNS):  # an older release's
        return
    cursor = await connection.cursor(_ROWS)
    while rows := await cursor.fetch(_AT_ONCE):
        for row in rows:
            if row["number"] is None and not _NAME.fullmatch(row["decision_id"]):
                continue  # of an older release, which had none of these columns
            outcomes = row["outcomes"]
            if outcomes is None:
                at, name = row["answered_at"], row["decision_id"]
                outcomes = await connection.fetchval(_ALONE, at, name)
            wrong = _wrong(row, outcomes or b"")
            if wrong:
                says = f"{', '.join(wrong)}: not as its name and its outcomes have it"
                named = f"decisions {row['decision_id']}"
                findings.add(What.DECISION_DIFFERS, row["revision"], named, says)


def _wrong(row: Any, outcomes: bytes) -> list[str]:
    """Return the columns that say otherwise; whether outcomes can be read, replay tells."""
    name, at = row["decision_id"], row["answered_at"]
    wrong = [] if named_then(name, at) else ["answered_at"]
    try:
        number, one, reasons = _said(outcomes)
    except (ValueError, TypeError, LookupError, ZeroDivisionError, OSError, pa.ArrowException):
        return wrong
    pairs = {
        "number": (row["number"], number),
        "one": (row["one"], one),
        "reasons": (stored_json(row["reasons"]), reasons),
    }
    return [*wrong, *(name for name, (is_, should) in pairs.items() if is_ != should)]


def named_then(name: str, answered_at: int) -> bool:
    """Tell whether a decision's name may have been given at an instant; old names do not say.

    RFC 9562, version 7, with 12 bits beneath the milliseconds.
    """
    if not _NAME.fullmatch(name):
        return _OLD_NAME.fullmatch(name) is not None
    milliseconds, rest = divmod(answered_at, 1_000)
    told = int(name[_PREFIX : _PREFIX + 12], 16), int(name[_PREFIX + 13 : _PREFIX + 16], 16)
    return told == (milliseconds, (rest << 12) // 1_000)


def _said(outcomes: bytes) -> tuple[int, str | None, dict[str, int]]:
    """Return how many were asked about, the one where it is one, and how often each reason is."""
    if outcomes.startswith(_ZSTD):
        with pa.CompressedInputStream(pa.BufferReader(outcomes), "zstd") as stream:
            outcomes = stream.read(_LARGEST)
    parts = msgspec.msgpack.decode(outcomes, type=list[Any])
    if len(parts) != _PARTS or parts[0] != _FORMAT:
        raise ValueError("it is of another format")
    number, text, which, words, reason = parts[1], parts[2], parts[4], parts[5], parts[7]
    if not which:
        counts = Counter(reason if len(reason) == number else reason * number)
    else:
        width = len(which) // number
        kinds = np.frombuffer(which, f"<u{width}")
        counts = Counter[int]()
        for kind, times in zip(*np.unique(kinds, return_counts=True), strict=True):
            counts[reason[int(kind)]] += int(times)
    return (
        number,
        _text(text) if number == 1 else None,
        {words[one]: times for one, times in counts.items()},
    )


def _text(text: bytes) -> str | None:
    """Return an id as a column can hold it; None where it cannot."""
    try:
        said = text.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in said else said
