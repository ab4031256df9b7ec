"""Decisions made up for the log, and a reader of their outcomes that shares no code with ours.

The reader follows docs/decision-log.md, as somebody would who finds a row in ten years.
"""

import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from service.decisions.compiled.answers import NUMBER, Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.log import LoggedDecision, name_decision
from service.decisions.question import STRONG, About
from service.domain.assessment import PERMITS, Reason
from service.domain.instant import Instant

LAUNCH: Final = 1_772_323_200_000_000
"""2026-03-01T00:00:00Z."""


@dataclass(frozen=True, slots=True)
class Said:
    """One outcome as it is written down: everything but the id."""

    reason: Reason = Reason.WINDOW_CLOSED
    version: int = 1
    start: int = LAUNCH
    end: int = -1


def answers(said: Sequence[Said]) -> Answers:
    """Return outcomes as the index answers them."""
    return Answers(
        permitted=np.array([one.reason in PERMITS for one in said], np.bool_),
        reason=np.array([NUMBER[one.reason] for one in said], np.uint8),
        policy_version=np.array([one.version for one in said], np.int32),
        start=np.array([one.start for one in said], np.int64),
        end=np.array([one.end for one in said], np.int64),
    )


def decision(
    ids: Sequence[str], said: Sequence[Said] | None = None, *, at: Instant = LAUNCH, **more: Any
) -> LoggedDecision:
    """Return a decision about these, answered at an instant, ready to be logged."""
    return LoggedDecision(
        **{
            "decision_id": name_decision(at, os.urandom(8)),
            "answered_at": at,
            "evaluated_at": at,
            "revision": 7,
            "client": "pipeline",
            "caller": "pipeline",
            "use": "discovery.recommendation",
            "recipient": "internal",
            "about": About.CONTENT,
            "ids": Spelled.of(ids),
            "answers": answers(said or [Said()] * len(ids)),
            "consistency": STRONG,
            **more,
        }
    )


def outcomes_of(packed: bytes) -> list[list[Any]]:
    """Return id, reason, version, from and until of each outcome, read by the document alone."""
    if packed[:1] == b"\x78":
        return list(json.loads(zlib.decompress(packed)))
    if packed[:4] == b"\x28\xb5\x2f\xfd":
        packed = pa.CompressedInputStream(pa.py_buffer(packed), "zstd").read()
    form, number, text, lengths, which, words, permitted, reason, *columns = msgspec.msgpack.decode(
        packed
    )
    assert form == 1
    version, start, end = (
        [one[0] for one in struct.iter_unpack(form, column)]
        for form, column in zip(("<i", "<q", "<q"), columns, strict=True)
    )
    sizes = numbers(lengths, number) if lengths else [len(text) // number] * number
    if which:
        places = numbers(which, number)
    else:
        places = [0] * number if len(version) == 1 else list(range(number))
    ids = []
    for size in sizes:
        ids.append(text[:size].decode("utf-8", "surrogatepass"))
        text = text[size:]
    assert text == b""
    for place in set(places):
        assert bool(permitted[place]) == (words[reason[place]] in set(PERMITS))
    return [
        [one, words[reason[at]], version[at] or None, known(start[at]), known(end[at])]
        for one, at in zip(ids, places, strict=True)
    ]


def numbers(packed: bytes, number: int) -> list[int]:
    """Return so many unsigned numbers of equal width, the least significant byte first."""
    width = len(packed) // number
    return [
        int.from_bytes(packed[at : at + width], "little") for at in range(0, len(packed), width)
    ]


def known(instant: int) -> int | None:
    """Return an instant, or None for the number that stands for none."""
    return None if instant == -1 else instant
