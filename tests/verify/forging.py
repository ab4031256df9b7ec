"""Bundles in which somebody has changed rows, and signed them as if nothing were the matter."""

import base64
import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from service.transparency.keys import SigningKey

Rows: TypeAlias = list[dict[str, Any]]

_KIND: Final = "/statement/export-manifest/v1"
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


def rewrite(bundle: Path, dataset: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a dataset in Parquet, and all that the manifest says of it."""
    path = bundle / f"{dataset}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    _say(bundle, dataset, path, pq.read_metadata(path).num_rows)


def change_rows(bundle: Path, dataset: str, change: Callable[[Rows], Rows]) -> None:
    """Change a dataset's rows in whatever format, and all that the manifest says of it.

    Values are as Parquet has them in Python.
    """
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    types = {one["name"]: one["type"] for one in _of(manifest, dataset)["columns"]}
    form = manifest["format"]
    path = bundle / f"{dataset}.{form}"
    read, write = _FORMS[form]
    rows = change(read(path, types))
    write(path, types, rows)
    _say(bundle, dataset, path, len(rows))


def otherwise(type_: str, value: Any) -> Any:
    """Return another value of a column's type."""
    return _OTHERS[type_](value)


_OTHERS: Final[dict[str, Callable[[Any], Any]]] = {
    "text": lambda value: f"{value or ''}x",
    "integer": lambda value: (value or 0) + 1,
    "boolean": lambda value: not value,
    "instant": lambda value: (value or datetime(2020, 1, 1, tzinfo=UTC)) + timedelta(seconds=1),
    "bytes": lambda value: b"x" + (value or b""),
    "texts": lambda value: [*(value or []), "x"],
    "json": lambda _: '{"x":1}',
}


def columns_of(bundle: Path) -> list[tuple[str, str, str]]:
    """Return every column of every dataset: the dataset, the column, its type."""
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    return [
        (dataset["name"], column["name"], column["type"])
        for dataset in manifest["datasets"]
        for column in dataset["columns"]
    ]


def sign(bundle: Path, key: SigningKey) -> None:
    """Sign a manifest as it is now."""
    encoded = (bundle / "manifest.json").read_bytes()
    manifest = json.loads(encoded)
    text = (
        f"{key.name}{_KIND}\nsha256 {sha256(encoded).hexdigest()}\n"
        f"export {manifest['export_id']}\nrevision {manifest['revision']}\n"
    )
    (bundle / "manifest.note").write_text(f"{text}\n{key.sign(text).line()}")


def _of(manifest: dict[str, Any], dataset: str) -> dict[str, Any]:
    [said] = [one for one in manifest["datasets"] if one["name"] == dataset]
    return dict(said)


def _say(bundle: Path, dataset: str, path: Path, rows: int) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    [said] = [one for one in manifest["datasets"] if one["name"] == dataset]
    data = path.read_bytes()
    file: dict[str, Any] = said["files"][0]
    file |= {"sha256": sha256(data).hexdigest(), "bytes": len(data), "rows": rows}
    said["rows"] = rows
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def _read_parquet(path: Path, _types: dict[str, str]) -> Rows:
    rows: Rows = pq.read_table(path).to_pylist()
    return rows


def _write_parquet(path: Path, _types: dict[str, str], rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(path)), path)


def _read_ndjson(path: Path, types: dict[str, str]) -> Rows:
    lines = path.read_text("utf-8").splitlines()
    return [
        {name: _value(types[name], value) for name, value in json.loads(line).items()}
        for line in lines
    ]


def _write_ndjson(path: Path, types: dict[str, str], rows: Rows) -> None:
    lines = [
        json.dumps({name: _text(types[name], value) for name, value in row.items()}) for row in rows
    ]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _read_csv(path: Path, types: dict[str, str]) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            {name: _cell(types[name], cell) for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def _write_csv(path: Path, types: dict[str, str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(types)
        for row in rows:
            lines.writerow([_to_cell(type_, row[name]) for name, type_ in types.items()])


_FORMS: Final = {
    "parquet": (_read_parquet, _write_parquet),
    "ndjson": (_read_ndjson, _write_ndjson),
    "csv": (_read_csv, _write_csv),
}


def _value(type_: str, said: Any) -> Any:
    if said is None:
        return None
    if type_ == "instant":
        return datetime.strptime(said, _TIME).replace(tzinfo=UTC)
    return base64.b64decode(said) if type_ == "bytes" else said


def _text(type_: str, value: Any) -> Any:
    if value is None:
        return None
    if type_ == "instant":
        return value.strftime(_TIME)
    return base64.b64encode(value).decode() if type_ == "bytes" else value


def _cell(type_: str, cell: str) -> Any:
    if not cell:
        return None
    if type_ in {"integer", "boolean", "texts"}:
        return json.loads(cell)
    return _value(type_, cell.removeprefix("'"))


def _to_cell(type_: str, value: Any) -> str:
    if value is None:
        return ""
    if type_ in {"integer", "boolean", "texts"}:
        return json.dumps(value)
    text: str = _text(type_, value)
    runs = type_ != "instant" and text[:1] in set("=+-@\t\r\n'")
    return f"'{text}" if runs else text
