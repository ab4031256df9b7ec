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
from service.decisions.log.theirs import STRETCHES, Theirs
from service.domain.instant import Instant, to_datetime
from service.domain.uses import ROOT
from service.exports.columns import Column, Type, schema_of
from service.exports.dataset import Arguments, Piece, Place, Source, beneath, between
from service.exports.datasets.artists import ARTIST_ID_MEANS
from service.exports.reading import read_batches
from service.sealing.month import Month
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

_BY_TIME: Final = ("answered_at", "decision_id")
_AS_IT_LIES: Final = ("about", "one", "answered_at", "decision_id")
"""The columns of a place: in order of time, or, of what is looked up in one month after the other,
in the order of its files (`service.sealing.parquet`)."""

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
        theirs = await _theirs(source)
        for side, read in ((_SEALED, _sealed), (_FRESH, _fresh)):
            # All that is sealed is older than all that is not: what lies before a place has been
            # read, whichever side it was on then. Months may have moved to files since.
            place = None if after is None or after[0] < side else after
            order = _AS_IT_LIES if side == _SEALED and _lies(source, place) else _BY_TIME
            async for batch, last in _ended(read(source, theirs, place), order):
                wanted = narrowed(batch, source)
                if theirs is not None:
                    wanted = wanted.filter(theirs.among(wanted))
                yield Piece(await _with_names(source, wanted), last and [side, *last])


async def _theirs(source: Source) -> Theirs | None:
    """Return what is the artist's whom it is narrowed to, if it is."""
    subject = source.filters.artist
    if subject is None:
        return None
    return Theirs.of(subject, await source.beside.fetch(STRETCHES.format(subject="$1"), subject))


def _lies(source: Source, after: Place | None) -> bool:
    """Whether what is wanted of sealed months is looked up, and comes as it lies there.

    What was begun in order of time goes on in it, though the month has moved to files since.
    """
    in_time = after is not None and _month_looked_up(after) is None
    return source.filters.artist is not None and source.filters.content is None and not in_time


async def _sealed(
    source: Source, theirs: Theirs | None, after: Place | None
) -> AsyncIterator[pa.RecordBatch]:
    wanted = sealed_wanted(source)
    if _lies(source, after):
        wanted = replace(wanted, theirs=theirs)
    if after is not None:
        wanted = replace(wanted, since=max(wanted.since or 0, _read_before(after)))
    async for batch in sealed_rows(source.sealed, source.periods, wanted):
        if after is not None:
            batch = batch.filter(_is_after(batch, after))  # noqa: PLW2901 - it is what is left of it
        if batch.num_rows:
            yield batch


async def _fresh(
    source: Source, theirs: Theirs | None, after: Place | None
) -> AsyncIterator[pa.RecordBatch]:
    arguments = Arguments()
    conditions = decisions_where(source, arguments)
    if theirs is not None:
        ones = arguments.add([theirs.subject, *theirs.contents])
        conditions += f" AND (one IS NULL OR one = ANY ({ones}::text[]))"
    if after is not None:
        _, answered_at, decision_id = after
        place = f"({arguments.add(to_datetime(answered_at))}, {arguments.add(decision_id)})"
        conditions += f" AND (answered_at, decision_id) > {place}"
    conditions += " ORDER BY answered_at, decision_id"
    async for batch in logged_outcomes(source, conditions, arguments):
        yield batch


async def _ended(
    batches: AsyncIterator[pa.RecordBatch], order: Sequence[str]
) -> AsyncIterator[tuple[pa.RecordBatch, list[Any] | None]]:
    """Yield batches with the place that each ends with; None where the next one begins with it."""
    before: pa.RecordBatch | None = None
    async for batch in batches:
        if before is not None:
            last = _place(before, -1, order)
            yield before, None if last == _place(batch, 0, order) else last
        before = batch
    if before is not None:
        yield before, _place(before, -1, order)


def _place(batch: pa.RecordBatch, row: int, order: Sequence[str]) -> list[Any]:
    return [
        batch[name][row].cast(pa.int64()).as_py()
        if name == "answered_at"
        else batch[name][row].as_py()
        for name in order
    ]


def _month_looked_up(after: Place) -> Month | None:
    """Return the month that a place is in, as it lies there; None where it is in order of time."""
    _, *place = after
    if len(place) != len(_AS_IT_LIES):
        return None
    return Month.of(place[_AS_IT_LIES.index("answered_at")])


def _read_before(after: Place) -> Instant:
    """Return the instant before which everything has been read."""
    month = _month_looked_up(after)
    return int(after[1]) if month is None else month.begins


def _is_after(batch: pa.RecordBatch, after: Place) -> pa.BooleanArray:
    month, (_, *place) = _month_looked_up(after), after
    if month is None:
        return _above(batch, _BY_TIME, place)
    later = pc.greater_equal(batch["answered_at"].cast(pa.int64()), month.ends)
    return pc.or_(later, _above(batch, _AS_IT_LIES, place))


def _above(batch: pa.RecordBatch, order: Sequence[str], place: Sequence[Any]) -> pa.BooleanArray:
    """Return which rows come behind a place in an order, which begins with what counts most."""
    above = pa.repeat(pa.scalar(value=False), len(batch))
    for name, value in reversed(list(zip(order, place, strict=True))):
        values = batch[name].cast(pa.int64()) if name == "answered_at" else batch[name]
        same = pc.and_(pc.equal(values, value), above)
        above = pc.or_(pc.greater(values, value), same)
    return above


def sealed_wanted(source: Source) -> OutcomesWanted:
    """Return which outcomes are wanted of sealed months, as far as these are told apart there."""
    filters, end = source.filters, source.moment.as_of + 1
    return OutcomesWanted(
        run=filters.run,
        recipient=filters.recipient,
        about=filters.content and "content",
        one=filters.content,
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
        if name not in _NARROWING:
            continue
        instant = name in {"since", "until"}
        held = arguments.add(to_datetime(value) if instant else value)
        conditions.append(_NARROWING[name].format(value=held))
    return " AND ".join(conditions)


_NARROWING: Final = {
    "use": beneath(SAID["use"]),
    "recipient": f"{SAID['recipient']} = {{value}}",
    "run": f"{SAID['run']} = {{value}}",
    "content": f"({SAID['about']} = 'content' AND (one = {{value}} OR one IS NULL))",
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
    answered_at, decision_id = _place(row, -1, _BY_TIME)
    fetched: bytes = await source.beside.fetchval(_ONE, to_datetime(answered_at), decision_id)
    at = row.schema.get_field_index("outcomes")
    return row.set_column(at, "outcomes", pa.array([fetched], pa.large_binary()))


def narrowed(batch: pa.RecordBatch, source: Source) -> pa.RecordBatch:
    """Return the outcomes that are wanted: many decisions are about much else as well.

    Which are an artist's the ledger has to tell: see `Theirs`.
    """
    content, use = source.filters.content, source.filters.use
    if content is not None:
        is_it = pc.and_(pc.equal(batch["about"], "content"), pc.equal(batch["one"], content))
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
