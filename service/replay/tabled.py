"""Logged decisions out of files: sealed months and exports, as batches in `table.SCHEMA`.

logged_table(batch) -> Logged
"""

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.decisions.compiled.answers import NO_INSTANT, REASONS, Answers, Instants
from service.decisions.compiled.spelling import Spelled
from service.decisions.log.alone import OTHER
from service.decisions.log.table import SCHEMA
from service.replay.logged import Column, Logged, Positions, Unreadable, column_of


def logged_table(batch: pa.RecordBatch) -> Logged:
    """Return every outcome of a batch in `SCHEMA`. Outcomes of one decision may be in several."""
    batch = batch.cast(SCHEMA)
    reason, unknown = _known_reasons(batch["reason"])
    names = pc.dictionary_encode(batch["decision_id"])
    decision = names.indices.to_numpy().astype(np.int64)
    names = names.dictionary.to_pylist()
    revision = batch["revision"].to_numpy()
    unreadable = [
        Unreadable(names[decision[row]], revision.item(row), "a reason is none of the words")
        for row in np.flatnonzero(unknown).tolist()
    ]
    columns, column, past = _asked(batch)
    whole = Logged(
        decision_ids=names,
        decision=decision,
        position=batch["position"].to_numpy().astype(np.int64),
        columns=columns,
        column=column,
        revision=revision,
        answered_at=_microseconds(batch["answered_at"]),
        evaluated_at=_microseconds(batch["evaluated_at"]),
        past=past,
        ids=_texts(batch["one"]),
        answers=Answers(
            permitted=batch["permitted"].to_numpy(zero_copy_only=False),
            reason=reason,
            policy_version=pc.fill_null(batch["policy_version"], 0).to_numpy(),
            start=_microseconds(batch["permitted_from"]),
            end=_microseconds(batch["valid_until"]),
        ),
        unreadable=unreadable,
    )
    return (whole.some(np.flatnonzero(~unknown)) if unreadable else whole).understood()


def _known_reasons(words: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return reasons by number, and which of the words are none."""
    encoded = pc.dictionary_encode(words)
    number = {reason.value: number for number, reason in enumerate(REASONS)}
    numbers = np.array([number.get(word, OTHER) for word in encoded.dictionary.to_pylist()])
    each = numbers.astype(np.int64)[encoded.indices.to_numpy()]
    return np.maximum(each, 0).astype(np.uint8), each == OTHER


def _asked(batch: pa.RecordBatch) -> tuple[list[Column], Positions, npt.NDArray[np.bool_]]:
    """Return the different columns, the number of each outcome's, and which name an instant."""
    whole = np.zeros(len(batch), np.int64)
    parts = [pc.dictionary_encode(batch[name]) for name in ("use", "recipient", "about", "request")]
    for part in parts:
        whole = whole * len(part.dictionary) + part.indices.to_numpy()
    _, first, each = np.unique(whole, return_index=True, return_inverse=True)
    different = zip(*(part.take(pa.array(first)).to_pylist() for part in parts), strict=True)
    columns, past = list[Column](), list[bool]()
    for use, recipient, about, request in different:
        said = msgspec.json.decode(request)
        columns.append(column_of(use, recipient, about, said.get("min_policy_version")))
        past.append("at" in said)
    return columns, each.astype(np.int64), np.array(past, np.bool_)[each]


def _microseconds(instants: pa.Array) -> Instants:
    numbers: Instants = pc.fill_null(instants.cast(pa.int64()), NO_INSTANT).to_numpy()
    return numbers


def _texts(texts: pa.StringArray) -> Spelled:
    _, offsets, data = texts.buffers()
    some = slice(texts.offset, texts.offset + len(texts) + 1)
    bounds: Positions = np.frombuffer(offsets, np.int32)[some].astype(np.int64)
    return Spelled(memoryview(data or b""), bounds[:-1], bounds[1:] - bounds[:-1])
