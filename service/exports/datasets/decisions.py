"""The decision log, a row for each outcome: the months that are closed, then those that are not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from service.decisions.compiled.slots import Positions
from service.decisions.log.table import LOGGED, batches_of_rows, parts_of
from service.decisions.log.table import SCHEMA as LOG
from service.domain.instant import Instant, to_datetime
from service.domain.uses import ROOT
from service.exports.columns import Column, Type, schema_of
from service.exports.dataset import Arguments, Piece, Place, Source, beneath, between
from service.exports.datasets.artists import ARTIST_ID_MEANS
from service.exports.reading import read_batches
from service.sealing.rows import OutcomesWanted, sealed_rows

OUTCOMES_AT_ONCE: Final = 1 << 14
"""Outcomes in one piece, unless one decision alone has more."""
LARGE: Final = 1 << 20
"""Bytes of outcomes above which they are fetched alone: in hexadecimal they would be twice that."""
_NOT_SAID: Final = 10_000
"""How many outcomes a row is taken to have that does not say it."""

_COLUMNS: Final = (
    Column("decision_id", Type.TEXT, "the decision; one may have many outcomes"),
    Column("answered_at", Type.INSTANT, "when it was answered, by the ledger's clock"),
    Column("evaluated_at", Type.INSTANT, "the instant that it is true of"),
    Column("revision", Type.INTEGER, "the ledger's prefix that it is a function of"),
    Column("client", Type.TEXT, "the client that asked"),
    Column("caller", Type.TEXT, "the subject of the client's token"),
    Column("use", Type.TEXT, "the use that was asked about"),
    Column("recipient", Type.TEXT, "the recipient that was asked about"),
    Column("about", Type.TEXT, "whether content or artists were asked about"),
    Column("one", Type.TEXT, "the content's id, or the artist's reference in the ledger"),
    Column("position", Type.INTEGER, "its place among all that were asked about, from 0 on"),
    Column("permitted", Type.BOOLEAN, "the answer"),
    Column("reason", Type.TEXT, "its reason"),
    Column("policy_version", Type.INTEGER, "the policy version that it rests on", nullable=True),
    Column(
        "permitted_from",
        Type.INSTANT,
        "from when it is permitted, if nothing is said; null is never",
        nullable=True,
    ),
    Column("valid_until", Type.INSTANT, "until when; null is without end, or never", nullable=True),
    Column("run", Type.TEXT, "the run that it was asked for", nullable=True),
    Column("job", Type.TEXT, "the pipeline that it was asked for", nullable=True),
    Column("request", Type.JSON, "how it was asked: consistency and whatever else was asked for"),
    Column("artist_id", Type.TEXT, ARTIST_ID_MEANS, nullable=True),
)
_ABOUT_ARTISTS: Final = "artists"
_SEALED: Final = 0
_FRESH: Final = 1
"""Which side of the log a place is on, in the order in which they are read."""

SAID: Final = {
    "use": "coalesce(use, request->>'use')",
    "recipient": "coalesce(recipient, request->>'recipient')",
    "about": "coalesce(about, request->>'about')",
    "run": "coalesce(run, request->>'run')",
    "job": "coalesce(job, request->>'job')",
}
"""What the release before the one that divided the log by months says in the request alone."""

_TYPES: Final = {column.name: column.type for column in _COLUMNS} | {"outcomes": Type.BYTES}
_OUTCOMES: Final = "CASE WHEN octet_length(outcomes) <= {large} THEN encode(outcomes, 'hex') END"
_EXPRESSIONS: Final = SAID | {"outcomes": _OUTCOMES}
_ROWS: Final = (
    *(
        Column(name, _TYPES[name], "", _EXPRESSIONS.get(name, name), nullable=True)
        for name in LOGGED
    ),
    Column("number", Type.INTEGER, "", "number", nullable=True),
)
"""A row of the log as it is read."""

_ONE: Final = "SELECT outcomes FROM decisions WHERE answered_at = $1 AND decision_id = $2"
# Rows of the release before the one that divided the log by months do not say it.
_SAID_IN_ALL: Final = "CASE WHEN count(*) = count(number) THEN coalesce(sum(number), 0) END"
_NAMES: Final = "SELECT subject, artist_id FROM artists WHERE subject = ANY ($1::text[])"


class Decisions:
    """The log. Closed months come file by file; the rest by when it was answered."""

    name: Final = "decisions"
    version: Final = 1
    title: Final = "What was answered to pipelines, a row for each content or artist asked about"
    personal: Final = True
    columns: Final = _COLUMNS
    order: Final[Sequence[str]] = ()
    filters: Final = frozenset({"use", "recipient", "artist", "content", "run", "since", "until"})
    lacks: Final = (
        "decisions of months that were discarded, where nobody has to keep them any longer",
        "decisions of the very instant of the export that were not durable yet when it was read",
    )

    async def expected(self, source: Source) -> int | None:
        """Return how many rows it has, where that is known without looking into each."""
        if source.filters.given().keys() & {"artist", "content"}:
            return None
        moved = [period for period in source.periods if period.moved and not period.discarded]
        if moved and (source.filters.given() or moved[-1].month.ends > source.moment.as_of):
            return None
        arguments = Arguments()
        query = f"SELECT {_SAID_IN_ALL} FROM decisions WHERE {decisions_where(source, arguments)}"  # noqa: S608 - no value stands in it
        fresh: int | None = await source.connection.fetchval(query, *arguments.values)
        return None if fresh is None else fresh + sum(period.outcomes for period in moved)

    async def read(self, source: Source, after: Place | None) -> AsyncIterator[Piece]:
        """Yield outcomes. Raises Damaged, and SealedUnreadable."""
        for side, read in ((_SEALED, _sealed), (_FRESH, _fresh)):
            # All that is sealed is older than all that is not: what lies before a place has been
            # read, whichever side it was on then. Months may have moved to files since.
            place = None if after is None or after[0] < side else after
            async for batch, last in _ended(read(source, place)):
                wanted = narrowed(batch, source)
                yield Piece(await _with_names(source, wanted), last and [side, *last])


async def _sealed(source: Source, after: Place | None) -> AsyncIterator[pa.RecordBatch]:
    wanted = sealed_wanted(source)
    if after is not None:
        _, answered_at, decision_id = after
        wanted = replace(wanted, since=answered_at)
    async for batch in sealed_rows(source.sealed, source.periods, wanted):
        if after is not None:
            batch = batch.filter(_is_after(batch, answered_at, decision_id))  # noqa: PLW2901 - it is what is left of it
        if batch.num_rows:
            yield batch


async def _fresh(source: Source, after: Place | None) -> AsyncIterator[pa.RecordBatch]:
    arguments = Arguments()
    conditions = decisions_where(source, arguments)
    if after is not None:
        _, answered_at, decision_id = after
        place = f"({arguments.add(to_datetime(answered_at))}, {arguments.add(decision_id)})"
        conditions += f" AND (answered_at, decision_id) > {place}"
    conditions += " ORDER BY answered_at, decision_id"
    async for batch in logged_outcomes(source, conditions, arguments):
        yield batch


async def _ended(
    batches: AsyncIterator[pa.RecordBatch],
) -> AsyncIterator[tuple[pa.RecordBatch, list[Any] | None]]:
    """Yield batches with the decision that each ends with; None where the next one has more."""
    before: pa.RecordBatch | None = None
    async for batch in batches:
        if before is not None:
            goes_on = before["decision_id"][-1] == batch["decision_id"][0]
            yield before, None if goes_on else _last(before)
        before = batch
    if before is not None:
        yield before, _last(before)


def _last(batch: pa.RecordBatch) -> list[Any]:
    answered_at, decision_id = batch["answered_at"][-1], batch["decision_id"][-1]
    return [answered_at.cast(pa.int64()).as_py(), decision_id.as_py()]


def _is_after(batch: pa.RecordBatch, answered_at: Instant, decision_id: str) -> pa.BooleanArray:
    instants = batch["answered_at"].cast(pa.int64())
    same = pc.and_(pc.equal(instants, answered_at), pc.greater(batch["decision_id"], decision_id))
    return pc.or_(pc.greater(instants, answered_at), same)


def sealed_wanted(source: Source) -> OutcomesWanted:
    """Return which outcomes are wanted of sealed months, as far as these are told apart there."""
    filters, end = source.filters, source.moment.as_of + 1
    one = filters.content or filters.artist
    return OutcomesWanted(
        run=filters.run,
        recipient=filters.recipient,
        about=one and ("artists" if filters.content is None else "content"),
        one=one,
        since=filters.since,
        until=end if filters.until is None else min(end, filters.until),
    )


def decisions_where(source: Source, arguments: Arguments) -> str:
    """Return the condition that a row of `decisions` is wanted, as far as its columns tell.

    Rows of a month that has moved to files are wanted from there.
    """
    conditions = [f"answered_at <= {arguments.add(to_datetime(source.moment.as_of))}"]
    for period in source.periods:
        if period.moved:
            begins = arguments.add(to_datetime(period.month.begins))
            ends = arguments.add(to_datetime(period.month.ends))
            conditions.append(f"NOT (answered_at >= {begins} AND answered_at < {ends})")
    for name, value in source.filters.given().items():
        instant = name in {"since", "until"}
        held = arguments.add(to_datetime(value) if instant else value)
        conditions.append(_NARROWING[name].format(value=held))
    return " AND ".join(conditions)


_NARROWING: Final = {
    "use": beneath(SAID["use"]),
    "recipient": f"{SAID['recipient']} = {{value}}",
    "run": f"{SAID['run']} = {{value}}",
    "content": f"({SAID['about']} = 'content' AND (one = {{value}} OR one IS NULL))",
    "artist": f"({SAID['about']} = 'artists' AND (one = {{value}} OR one IS NULL))",
    **between("answered_at"),
}


async def logged_outcomes(
    source: Source, conditions: str, arguments: Arguments
) -> AsyncIterator[pa.RecordBatch]:
    """Yield the outcomes of those rows of `decisions` for which this stands after WHERE.

    Nothing else may use the source's `connection` until the last batch is taken. Raises Damaged.
    """
    selected = ", ".join(column.sql for column in _ROWS).format(large=arguments.add(LARGE))
    query = f"SELECT {selected} FROM decisions WHERE {conditions}"  # noqa: S608 - no value stands in it
    async for rows in read_batches(source.connection, query, arguments.values, _ROWS):
        for part in parts_of(_numbers(rows), OUTCOMES_AT_ONCE):
            some = rows[part]
            whole = await _with_large(source, some) if some["outcomes"].null_count else some
            batches = batches_of_rows(whole, OUTCOMES_AT_ONCE)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                yield batch


def _numbers(rows: pa.RecordBatch) -> Positions:
    """Return how many outcomes each row has: as it says, or so many that it is taken alone."""
    numbers = pc.fill_null(rows["number"], _NOT_SAID)
    large = rows["outcomes"].is_null()
    taken: Positions = pc.if_else(large, OUTCOMES_AT_ONCE, numbers).to_numpy(zero_copy_only=False)
    return taken


async def _with_large(source: Source, row: pa.RecordBatch) -> pa.RecordBatch:
    """Return a row with the outcomes that were left out of it."""
    answered_at, decision_id = _last(row)
    fetched: bytes = await source.beside.fetchval(_ONE, to_datetime(answered_at), decision_id)
    at = row.schema.get_field_index("outcomes")
    return row.set_column(at, "outcomes", pa.array([fetched], pa.large_binary()))


def narrowed(batch: pa.RecordBatch, source: Source) -> pa.RecordBatch:
    """Return the outcomes that are wanted: many decisions are about much else as well."""
    content, artist, use = source.filters.content, source.filters.artist, source.filters.use
    for about, one in (("content", content), (_ABOUT_ARTISTS, artist)):
        if one is not None:  # both at once are about nothing: an outcome is about one thing
            is_it = pc.and_(pc.equal(batch["about"], about), pc.equal(batch["one"], one))
            batch = batch.filter(is_it)
    if use is not None and use != ROOT:
        is_beneath = pc.starts_with(batch["use"], f"{use}.")
        batch = batch.filter(pc.or_(pc.equal(batch["use"], use), is_beneath))
    return batch


async def _with_names(source: Source, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return outcomes with the platform's ids of those artists that they are about themselves."""
    schema = schema_of(Decisions.name, Decisions.version, _COLUMNS)
    logged = [
        column.cast(schema.field(name).type)
        for name, column in zip(LOG.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays([*logged, await _platform_ids(source, batch)], schema=schema)


async def _platform_ids(source: Source, batch: pa.RecordBatch) -> pa.Array:
    about_artists = pc.equal(batch.column("about"), _ABOUT_ARTISTS)
    if not pc.any(about_artists).as_py():
        return pa.nulls(batch.num_rows, pa.string())
    subjects = pc.if_else(about_artists, batch.column("one"), None)
    distinct = [one for one in subjects.unique().to_pylist() if one and "\0" not in one]
    named = await source.beside.fetch(_NAMES, distinct)
    known = pa.array([row["subject"] for row in named], pa.string())
    ids = pa.array([row["artist_id"] for row in named], pa.string())
    return ids.take(pc.index_in(subjects, known))


DECISIONS: Final = Decisions()
