"""The first record of a CSV file: which column is where, and rows by column name."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from service.catalog.sources.csv_records import Record, csv_records
from service.catalog.sources.track import BadRow


class Row(NamedTuple):
    """One record by column name, and the line it begins at."""

    line: int
    by_column: dict[str, str]


def rows_by_column(
    path: Path,
    source: str,
    required: Collection[str],
    optional: Collection[str] | None = None,
) -> Iterator[Row | BadRow]:
    """The rows under the header, each a mapping of column to text; bad ones as BadRow.

    Without the required columns no row can be read: then one BadRow at the header says what to
    change, and nothing follows.

    Args:
        path: a CSV file in UTF-8.
        source: its name in what is yielded.
        required: the columns that must be there, in any order.
        optional: the columns that may be there besides; None allows any.

    """
    records = csv_records(path, source)
    header = next(records, None)
    if header is None:
        yield BadRow(source, 1, f"the file is empty: its first line names {_listed(required)}")
        return
    if isinstance(header, BadRow):
        yield header
        return
    columns = [column.strip() for column in header.fields]
    wrong = _header_problem(columns, required, optional)
    if wrong:
        yield BadRow(source, header.line, wrong)
        return
    yield from _rows(records, columns, source)


def header_of(path: Path) -> list[str]:
    """The column names in the first line of a file, or nothing where that is no CSV header."""
    first = next(csv_records(path, path.name), None)
    return [column.strip() for column in first.fields] if isinstance(first, Record) else []


def _rows(
    records: Iterable[Record | BadRow], columns: list[str], source: str
) -> Iterator[Row | BadRow]:
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record.fields) != len(columns):
            yield BadRow(
                source,
                record.line,
                f"it has {len(record.fields)} fields, and the header has {len(columns)}: "
                "put a field that holds a comma in quotation marks",
            )
        else:
            yield Row(record.line, dict(zip(columns, record.fields, strict=True)))


def _header_problem(
    columns: list[str], required: Collection[str], optional: Collection[str] | None
) -> str | None:
    missing = [column for column in required if column not in columns]
    unknown = (
        []
        if optional is None
        else [column for column in columns if column not in {*required, *optional}]
    )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    faults = [
        f"{fault}: {_listed(names)}"
        for fault, names in (
            ("missing", missing),
            ("not known here", unknown),
            ("more than once", twice),
        )
        if names
    ]
    if not faults:
        return None
    also = f", and may name {_listed(optional)}" if optional else ""
    return (
        f"the header is not that of this format ({'; '.join(faults)}); "
        f"the first line must name the columns {_listed(required)}{also}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
