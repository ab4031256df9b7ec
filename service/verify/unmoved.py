"""Sealed months that are read from the table of decisions still: it has to hold what was sealed.

Files of a sealed month have the rows as they were, and the ledger has the files' digests. So the
table is read beside them, row by row, and the first decision that differs is named.
"""

import re
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from service.verify.cells import plain
from service.verify.connecting import Connection, has_table
from service.verify.finding import Findings, What
from service.verify.leaf import Leaf, instant, stored_json
from service.verify.sealed import DECISIONS, TABLE, Files, digest_of

# Whoever takes a month out of the table waits for this, and has said before that it is moved.
_HOLD: Final = "LOCK TABLE ONLY decisions IN ACCESS SHARE MODE"
_UNMOVED: Final = """
SELECT period, decisions, revision FROM sealed_periods WHERE moved_at IS NULL ORDER BY period
"""
_WITHIN: Final = "FROM decisions WHERE answered_at >= $1 AND answered_at < $2"
_ROWS: Final = f"""
SELECT decision_id, answered_at, evaluated_at, revision, client, caller, use, recipient, about,
    number, reasons, run, job, request, sha256(outcomes) AS outcomes
{_WITHIN} ORDER BY answered_at, decision_id
"""
_PERIOD: Final = re.compile(r"(?:19|20|21)[0-9]{2}-(?:0[1-9]|1[0-2])", re.ASCII)
_MONTHS: Final = 12
_AT_ONCE: Final = 50
"""Rows: one may be about a million content, and have some megabytes."""
_FILLED_IN: Final = frozenset({"use", "recipient", "about", "number", "reasons", "run", "job"})
"""What the files have of old rows that the rows have not."""


class _Unknown(Exception):  # noqa: N818 - "cannot tell" is an outcome of its own
    """A file is missing, or is not the one that was sealed: nothing can be held against it."""


_SENSELESS: Final = (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException)
"""What events and files lead to that do not say what their kind has to."""

_Row: TypeAlias = Mapping[str, Any]
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {"reasons": stored_json, "request": stored_json}
_FROM_FILE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "reasons": dict,
    "request": stored_json,
    "outcomes": lambda packed: sha256(packed).digest(),
}


async def hold_unmoved(
    connection: Connection,
    sealed: Mapping[str, tuple[int, Leaf]],
    files: Files | None,
    findings: Findings,
) -> None:
    """Find decisions of such months that are gone from the table, too many or altered.

    `sealed` are the months as their events describe them. The connection has read nothing before.
    Raises CannotLook where files are out of reach.
    """
    await connection.execute(_HOLD)
    if not await has_table(connection, TABLE):
        return
    for period, decisions, revision in await connection.fetch(_UNMOVED):
        if not _PERIOD.fullmatch(period):
            continue  # no event made that row, which was found with the others
        extent = _extent(period)
        if await connection.fetchval(f"SELECT count(*) {_WITHIN}", *extent) < decisions:
            says = "moved_at: it is read from the table of decisions, and they are not there"
            findings.add(What.ROW_DIFFERS, revision, f"{TABLE} {period}", says)
        elif files is not None and period in sealed:
            await _hold(connection, extent, sealed[period], files, findings)


async def _hold(
    connection: Connection,
    extent: tuple[int, int],
    sealed: tuple[int, Leaf],
    files: Files,
    findings: Findings,
) -> None:
    revision, leaf = sealed
    async with (
        aclosing(_in_table(connection, extent)) as rows,
        aclosing(_in_files(leaf, files)) as written,
    ):
        with suppress(_Unknown, *_SENSELESS):  # it was found with the event, or with the files
            await _compare(rows, written, revision, findings)


def _extent(period: str) -> tuple[int, int]:
    """Return the instants that a month begins with and that the next one begins with."""
    year, month = (int(part) for part in period.split("-"))
    after = f"{year + month // _MONTHS:04}-{month % _MONTHS + 1:02}"
    return instant(f"{period}-01T00:00:00.000000Z"), instant(f"{after}-01T00:00:00.000000Z")


async def _in_table(connection: Connection, extent: tuple[int, int]) -> AsyncGenerator[_Row]:
    cursor = await connection.cursor(_ROWS, *extent)
    while rows := await cursor.fetch(_AT_ONCE):
        for row in rows:
            yield {name: _READ.get(name, _same)(value) for name, value in row.items()}


async def _in_files(leaf: Leaf, files: Files) -> AsyncGenerator[_Row]:
    """Yield the rows of a month's files, in order. Raises _Unknown for one that was not sealed."""
    for one in leaf["files"]:
        if not one["name"].rpartition("/")[2].startswith(DECISIONS):
            continue
        with tempfile.TemporaryDirectory(prefix="fermata-verify-") as folder:
            path = Path(folder) / "sealed.parquet"
            if not await files.fetch(one["name"], path) or digest_of(path) != one["sha256"]:
                raise _Unknown
            with pq.ParquetFile(path) as file:
                for row in _rows_of(file):
                    yield {name: _FROM_FILE.get(name, _same)(value) for name, value in row.items()}


def _rows_of(file: pq.ParquetFile) -> Iterator[_Row]:
    for group in range(file.num_row_groups):  # never two of them at once
        for batch in file.iter_batches(_AT_ONCE, row_groups=[group]):
            yield from plain(batch).to_pylist()


async def _compare(
    rows: AsyncGenerator[_Row], written: AsyncGenerator[_Row], revision: int, findings: Findings
) -> None:
    """Walk along both, which are in one order, and name every decision that is not in both alike.

    Raises _Unknown where the files cannot be believed.
    """

    def add(row: _Row, says: str) -> None:
        findings.add(What.DECISION_DIFFERS, revision, f"decisions {row['decision_id']}", says)

    row, sealed = await anext(rows, None), await anext(written, None)
    while row is not None or sealed is not None:
        if row is not None and (sealed is None or _place(row) < _place(sealed)):
            add(row, "it is none of those that were sealed")
            row = await anext(rows, None)
        elif sealed is not None and (row is None or _place(sealed) < _place(row)):
            add(sealed, "it was sealed, and is gone from the table that it is read from")
            sealed = await anext(written, None)
        elif row is not None and sealed is not None:
            if differ := ", ".join(_differ(row, sealed)):
                add(row, f"{differ}: not as it was sealed")
            row, sealed = await anext(rows, None), await anext(written, None)


def _place(row: _Row) -> tuple[int, str]:
    return row["answered_at"], row["decision_id"]


def _differ(row: _Row, sealed: _Row) -> Iterator[str]:
    """Yield the columns that differ; those that an old row has not were filled in."""
    is_old = row["number"] is None
    for name, value in sealed.items():
        filled_in = is_old and name in _FILLED_IN and row[name] is None
        if row[name] != value and not filled_in:
            yield name


def _same(value: Any) -> Any:
    return value
