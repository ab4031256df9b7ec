"""A check as an Apache Arrow IPC stream, in and out.

In: record batches with one column of strings, `content` or `artist`; what else a check says stands
in the schema's metadata, under `fermata.check`, as the JSON that the ids would otherwise stand in.
It stands there and not in the address, so that a question is one thing that can be kept and sent
again, and so that nobody's access log holds half of it.

Out: the ids as they came, and beside each its answer; what belongs to all of them is metadata.

A stranger's buffers are looked at before anything is done with them (`arrow_limits`), read without
being interpreted, and validated in full, offsets and UTF-8 included, before anything is looked up
in them. Only strings are taken, so that no extension type is ever made.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.api.arrow_limits import MOST_BYTES, require_modest
from service.api.check_ids import Ids, ids_of, refuse_nul
from service.api.check_results import NAMED
from service.api.check_wire import Asked, asked_of, read_about
from service.api.problems import BodyMalformed
from service.api.schemas.types import LONGEST_ID
from service.decisions.compiled.answers import NO_INSTANT, REASONS
from service.decisions.question import About, Answer
from service.domain.instant import format_instant
from service.domain.refusal import refuse

MOST_IN_ARROW: Final = 1_000_000
"""Ids in one request in Arrow."""

METADATA: Final = "fermata.check"
"""The key of the schema's metadata that says what a check is about."""

_ABOUT: Final = {name: about for about, name in NAMED.items()}
_WORDS: Final = pa.array([reason.value for reason in REASONS], pa.utf8())
_INSTANT: Final = pa.timestamp("us", tz="UTC")
_VIEW: Final = 4
"""A string view is four 32-bit words, of which the first is its length."""


def read_stream(body: Any) -> Asked:
    """Read a check from the bytes of a stream. Raises BodyMalformed or Refused."""
    source = pa.py_buffer(body)
    try:
        require_modest(source)
        with pa.ipc.open_stream(source, options=_OPTIONS) as stream:
            name, asked = _column_of(stream.schema), _about_of(stream.schema)
            if asked.explain:
                message = "an explanation has no columns: ask for it in JSON"
                raise refuse("explain", "not_in_arrow", message)
            return asked_of(asked, _ABOUT[name], _ids(_chunks(stream), name))
    except (pa.ArrowException, ValueError, OSError, RecursionError) as error:
        raise BodyMalformed(f"the body is no Arrow IPC stream: {error}") from None


_OPTIONS: Final = pa.ipc.IpcReadOptions(use_threads=False)


def _column_of(schema: pa.Schema) -> str:
    if len(schema) != 1 or schema.field(0).name not in _ABOUT:
        message = "send one column, named `content` or `artist`"
        raise refuse("columns", "content_or_artist", message)
    name: str = schema.field(0).name
    if not _is_string(schema.field(0).type):
        message = f"the column has to be of strings, not of {schema.field(0).type}"[:200]
        raise refuse(name, "not_strings", message)
    return name


def _is_string(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return _is_string(kind.value_type) and not pa.types.is_dictionary(kind.value_type)
    return any(
        is_one(kind)
        for is_one in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _about_of(schema: pa.Schema) -> Any:
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    said = metadata.get(METADATA.encode())
    if said is None:
        message = 'say what it is about in the schema\'s metadata, as JSON: {"use": "…"}'
        raise refuse(METADATA, "missing", message)
    return read_about(said)


def _chunks(stream: pa.ipc.RecordBatchStreamReader) -> list[pa.Array]:
    chunks, rows = [], 0
    for batch in stream:
        batch.validate(full=True)
        rows += len(batch)
        if rows > MOST_IN_ARROW:
            message = f"one request takes up to {MOST_IN_ARROW:,} ids: send them in parts"
            raise refuse(stream.schema.field(0).name, "too_many", message)
        chunks.append(batch.column(0))
    return chunks


def _ids(chunks: list[pa.Array], name: str) -> Ids:
    plain: list[pa.StringArray] = []
    rows = size = 0
    for chunk in chunks:
        _refuse_null(chunk, name, rows)
        chunk = _without_junk(chunk)  # noqa: PLW2901 - the one as it came is not to be touched
        size += _bytes_of(chunk)
        if size > MOST_BYTES:
            message = f"the ids may have at most {MOST_BYTES:,} bytes in all: send them in parts"
            raise refuse(name, "too_large", message)
        plain.append(_plain(chunk))
        rows += len(chunk)
    if not rows:
        raise refuse(name, "invalid", "there is nothing to ask about: send at least one id")
    ids = ids_of(plain[0] if len(plain) == 1 else pa.concat_arrays(plain))
    _refuse_odd(ids, name)
    return ids


def _refuse_null(chunk: pa.Array, name: str, before: int) -> None:
    nulls = np.flatnonzero(_are_null(chunk))
    if len(nulls):
        field = f"{name}[{before + nulls.item(0)}]"
        raise refuse(field, "missing", "every row has to hold an id")


def _are_null(chunk: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which rows hold nothing: in themselves, or where a dictionary's indices lead."""
    nulls: npt.NDArray[np.bool_] = chunk.is_null().to_numpy(zero_copy_only=False)
    if isinstance(chunk, pa.DictionaryArray) and chunk.dictionary.null_count and not nulls.any():
        nulls = _are_null(chunk.dictionary)[chunk.indices.to_numpy()]
    return nulls


def _without_junk(chunk: pa.Array) -> pa.Array:
    """Return a chunk without null rows so that its dictionary has none either, but empty texts.

    What a null view says is not validated, and still followed when it is cast: out of memory.
    """
    if not isinstance(chunk, pa.DictionaryArray):
        return chunk
    words = chunk.dictionary
    if not (pa.types.is_string_view(words.type) and words.null_count):
        return chunk
    _, buffer, *texts = words.buffers()
    views = np.frombuffer(buffer, np.int32).reshape(-1, _VIEW)[words.offset :][: len(words)]
    sound = np.where(_are_null(words)[:, None], np.int32(0), views)
    buffers = [None, pa.py_buffer(sound), *texts]
    words = pa.Array.from_buffers(words.type, len(words), buffers)
    return pa.DictionaryArray.from_arrays(chunk.indices, words)


def _bytes_of(chunk: pa.Array) -> int:
    """Return how many bytes the strings have, however often one stands for many."""
    if isinstance(chunk, pa.DictionaryArray):
        return int(_lengths(chunk.dictionary)[chunk.indices.to_numpy()].sum())
    return int(_lengths(chunk).sum())


def _lengths(strings: pa.Array) -> npt.NDArray[np.int64]:
    if pa.types.is_string_view(strings.type):
        views = np.frombuffer(strings.buffers()[1], np.int32).reshape(-1, _VIEW)
        return views[strings.offset :][: len(strings), 0].astype(np.int64)
    lengths = pc.binary_length(strings).fill_null(0).to_numpy()
    return np.asarray(lengths, np.int64)


def _plain(chunk: pa.Array) -> pa.StringArray:
    if isinstance(chunk, pa.DictionaryArray):
        return chunk.dictionary.cast(pa.utf8()).take(chunk.indices)
    return chunk.cast(pa.utf8())


def _refuse_odd(ids: Ids, name: str) -> None:
    """Refuse what JSON refuses: an empty id, one too long in characters, and the NUL."""
    lengths = ids.spelled.lengths
    if lengths.min() == 0:
        field = f"{name}[{np.flatnonzero(lengths == 0).item(0)}]"
        raise refuse(field, "invalid", "Expected `str` of length >= 1")
    for position in np.flatnonzero(lengths > LONGEST_ID).tolist():
        if len(str(ids.spelled.text(position), "utf-8")) > LONGEST_ID:
            message = f"Expected `str` of length <= {LONGEST_ID}"
            raise refuse(f"{name}[{position}]", "invalid", message)
    if np.frombuffer(ids.spelled.all_bytes(), np.uint8).min() == 0:
        nul = pc.index(pc.match_substring(ids.strings(), "\0"), value=True).as_py()
        refuse_nul(f"{name}[{nul}]", "\0")


def write_stream(answer: Answer, ids: Ids) -> pa.Buffer:
    """Return the answer as a stream, rows in the order asked."""
    answers = answer.answers
    columns = {
        NAMED[answer.check.about]: ids.strings(),
        "permitted": pa.array(answers.permitted),
        "reason": pa.DictionaryArray.from_arrays(pa.array(answers.reason.view(np.int8)), _WORDS),
        "policy_version": _nullable(pa.int32(), answers.policy_version, 0),
        "permitted_from": _nullable(_INSTANT, answers.start, NO_INSTANT),
        "valid_until": _nullable(_INSTANT, answers.end, NO_INSTANT),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=_schema(answer))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _schema(answer: Answer) -> pa.Schema:
    return answer_schema(answer.check.about).with_metadata(
        {
            "decision_id": answer.decision_id,
            "revision": str(answer.revision),
            "evaluated_at": format_instant(answer.evaluated_at),
            "use": answer.check.use,
            "recipient": answer.check.recipient,
        }
    )


def answer_schema(about: About) -> pa.Schema:
    """Return the columns of an answer."""
    return pa.schema(
        [
            pa.field(NAMED[about], pa.utf8(), nullable=False),
            pa.field("permitted", pa.bool_(), nullable=False),
            pa.field("reason", pa.dictionary(pa.int8(), pa.utf8()), nullable=False),
            pa.field("policy_version", pa.int32()),
            pa.field("permitted_from", _INSTANT),
            pa.field("valid_until", _INSTANT),
        ]
    )


def _nullable(kind: pa.DataType, values: npt.NDArray[Any], none: int) -> pa.Array:
    """Return values over the same memory, null where they are `none`."""
    there = np.packbits(values != none, bitorder="little")
    buffers = [pa.py_buffer(there), pa.py_buffer(values)]
    return pa.Array.from_buffers(kind, len(values), buffers)
