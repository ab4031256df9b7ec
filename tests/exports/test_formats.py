"""The same rows in every format, readable by the tools that people have."""

import base64
import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from service.exports.columns import INSTANT, Column, Type, schema_of
from service.exports.csv_cells import DANGEROUS, MARK, as_cells
from service.exports.datasets import DATASETS
from service.exports.wanted import Format
from service.exports.writers import open_file
from tests.api.people import AUDITOR
from tests.api.story import ONLY_ASKS
from tests.exports.bundles import Bundle, Office


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def spreadsheets(told: Office) -> Bundle:
    """Return a bundle of every dataset in CSV."""
    return await told.bundle(*DATASETS, format="csv")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(told: Office) -> Bundle:
    """Return a bundle of every dataset in NDJSON."""
    return await told.bundle(*DATASETS, format="ndjson")


def test_row_groups_are_of_many_rows(tmp_path: Path) -> None:
    """However few are written at once: whoever reads one column reads it in long runs."""
    numbers = (Column("n", Type.INTEGER, ""),)
    schema, path = schema_of("numbers", 1, numbers), tmp_path / "numbers.parquet"
    file = open_file(Format.PARQUET, path, numbers, schema)
    for start in range(0, 80_000, 1_000):
        part = pa.array(range(start, start + 1_000), pa.int64())
        file.write(pa.RecordBatch.from_arrays([part], schema=schema))
    file.close()
    read = pq.ParquetFile(path)
    groups = [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)]
    assert groups == [33_000, 33_000, 14_000]
    assert read.read()["n"].to_pylist() == list(range(80_000))


def test_a_row_group_ends_where_it_is_large(tmp_path: Path) -> None:
    """So that long texts do not wait in memory for as many rows as there are of short ones."""
    texts = (Column("text", Type.TEXT, ""),)
    schema, path = schema_of("texts", 1, texts), tmp_path / "texts.parquet"
    file = open_file(Format.PARQUET, path, texts, schema)
    for _ in range(40):
        part = pa.array(["a" * (1 << 16)] * 16)
        file.write(pa.RecordBatch.from_arrays([part], schema=schema))
    file.close()
    read = pq.ParquetFile(path)
    groups = [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)]
    assert groups == [256, 256, 128]


def queried(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, as DuckDB answers it without any option."""
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def read_cell(cell: str, type_: str) -> Any:
    """Return a cell as docs/exports.md says that it is read."""
    if type_ in {"text", "json", "bytes", "texts"}:
        cell = cell.removeprefix(MARK)
    read: dict[str, Callable[[str], Any]] = {
        "integer": int,
        "boolean": {"true": True, "false": False}.get,
        "instant": datetime.fromisoformat,
        "bytes": base64.b64decode,
        "texts": json.loads,
    }
    return read.get(type_, str)(cell)


def read_csv(bundle: Bundle, dataset: str) -> list[dict[str, Any]]:
    """Read a dataset with nothing but the standard library; nothing at all is null."""
    types = {one["name"]: one["type"] for one in bundle.dataset(dataset)["columns"]}
    with bundle.path(dataset).open(encoding="utf-8-sig", newline="") as file:
        return [
            {name: None if not cell else read_cell(cell, types[name]) for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def as_it_is(value: Any) -> Any:
    """Return what needs no reading."""
    return value


def read_ndjson(bundle: Bundle, dataset: str) -> list[dict[str, Any]]:
    """Read a dataset with nothing but the standard library."""
    types = {one["name"]: one["type"] for one in bundle.dataset(dataset)["columns"]}
    decoded: dict[str, Callable[[Any], Any]] = {
        "instant": datetime.fromisoformat,
        "bytes": base64.b64decode,
    }
    return [
        {
            name: value if value is None else decoded.get(types[name], as_it_is)(value)
            for name, value in json.loads(line).items()
        }
        for line in bundle.path(dataset).read_text(encoding="utf-8").splitlines()
    ]


@ONLY_ASKS
@pytest.mark.parametrize("dataset", DATASETS)
async def test_every_format_says_the_same(
    everything: Bundle, spreadsheets: Bundle, lines: Bundle, dataset: str
) -> None:
    """Row by row and value by value, as the document says each type is read."""
    expected = [
        {name: value for name, value in row.items() if not name.startswith("opening")}
        for row in everything.rows(dataset)
    ]
    assert read_csv(spreadsheets, dataset) == expected
    assert read_ndjson(lines, dataset) == expected


@ONLY_ASKS
@pytest.mark.parametrize("dataset", DATASETS)
async def test_duckdb_reads_every_format(
    everything: Bundle, spreadsheets: Bundle, lines: Bundle, dataset: str
) -> None:
    """Without an option: the same columns, and as many rows."""
    for bundle in (everything, spreadsheets, lines):
        described = bundle.dataset(dataset)
        path = bundle.path(dataset)
        names = [name for name, *_ in queried(f"DESCRIBE FROM '{path}'")]
        assert names == [column["name"] for column in described["columns"]]
        assert queried(f"SELECT count(*) FROM '{path}'") == [(described["rows"],)]


@ONLY_ASKS
async def test_windows_can_be_reckoned_with_at_once(
    everything: Bundle, spreadsheets: Bundle
) -> None:
    """Instants are instants to whoever opens the file, in CSV as well."""
    for bundle in (everything, spreadsheets):
        path = bundle.path("deliveries")
        length = f"SELECT DISTINCT epoch(closes_at) - epoch(delivered_at) FROM '{path}'"
        assert queried(length) == [(30 * 86_400,)]


@ONLY_ASKS
async def test_parquet_tells_its_columns(everything: Bundle) -> None:
    """Types that are compared as what they are, compressed by Zstandard, described in the file."""
    path = everything.path("deliveries")
    described = queried(f"DESCRIBE FROM '{path}'")
    types = {name: type_ for name, type_, *_ in described}
    assert types["closes_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["version"] == "BIGINT"
    [(compression,)] = queried(f"SELECT DISTINCT compression FROM parquet_metadata('{path}')")
    assert compression == "ZSTD"
    schema = pa.parquet.read_schema(path)
    assert schema.field("closes_at").metadata[b"description"].startswith(b"when the window closes")
    assert schema.metadata[b"fermata.dataset"] == b"deliveries"


@ONLY_ASKS
async def test_a_spreadsheet_runs_nothing(spreadsheets: Bundle) -> None:
    """What begins like a formula begins with an apostrophe in the file; lines end with CR LF."""
    artists = spreadsheets.path("artists").read_bytes()
    assert artists.startswith(b"\xef\xbb\xbfsubject,artist_id,name,")
    assert '"\'=Cléo, “the one”"'.encode() in artists
    assert b'"\'-1+2"' in spreadsheets.path("content").read_bytes()
    assert artists.count(b"\r\n") == artists.count(b"\n") == 4


@ONLY_ASKS
async def test_no_rows_are_a_file_with_columns(told: Office, tmp_path: Path) -> None:
    """Whoever opens it sees that there was nothing, and of what."""
    del tmp_path
    for format_, empty in (("csv", b"subject,artist_id"), ("ndjson", b""), ("parquet", b"PAR1")):
        wanted = {"format": format_, "filters": {"until": "2020-01-01T00:00:00Z"}}
        bundle = await told.bundle("artists", **wanted)
        assert bundle.dataset("artists")["rows"] == 0
        assert empty in bundle.path("artists").read_bytes()


@ONLY_ASKS
@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("artists.csv", "text/csv; charset=utf-8"),
        ("manifest.json", "application/json"),
        ("manifest.note", "text/plain; charset=utf-8"),
        ("README.txt", "text/plain; charset=utf-8"),
    ],
)
async def test_files_are_named_and_typed(
    told: Office, spreadsheets: Bundle, name: str, type_: str
) -> None:
    """A browser saves each under its name and runs none of them."""
    path = f"/v1/exports/{spreadsheets.manifest['export_id']}/files/{name}"
    answer = await told.door.ask("GET", path, by=AUDITOR)
    assert answer.headers["content-type"] == type_
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"


TEXT: Final = Column("text", Type.TEXT, "", nullable=True)


@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(DANGEROUS).map(lambda c: c + "1"))))
def test_a_cell_is_neutralised_and_read_back(texts: list[str | None]) -> None:
    """No cell begins like a formula, and one apostrophe less is what it was."""
    try:
        column = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return
    for text, cell in zip(texts, as_cells(column, TEXT).to_pylist(), strict=True):
        assert (cell is None) == (text is None)
        if cell is not None:
            assert cell[:1] not in tuple(DANGEROUS)
            assert cell.removeprefix(MARK) == text


def test_numbers_stay_numbers() -> None:
    """A negative one begins with a minus, and is no text."""
    numbers = pa.array([-1, 2], pa.int64())
    assert as_cells(numbers, Column("n", Type.INTEGER, "")).to_pylist() == [-1, 2]
    instants = pa.array([-1, 1_700_000_000_000_000], INSTANT)
    assert as_cells(instants, Column("at", Type.INSTANT, "")).to_pylist() == [
        "1969-12-31T23:59:59.999999Z",
        "2023-11-14T22:13:20.000000Z",
    ]
