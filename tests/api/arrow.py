"""Arrow streams as pipelines send them, and as they are answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx2
import pyarrow as pa

from tests.api.door import Door
from tests.api.people import PIPELINE, Caller

ARROW: Final = "application/vnd.apache.arrow.stream"


def stream(
    *columns: pa.Array,
    name: str = "content",
    about: Mapping[str, Any] | None = None,
    compression: str | None = None,
) -> bytes:
    """Return a stream of a batch for each of these columns."""
    metadata = {} if about is None else {"fermata.check": json.dumps(about)}
    schema = pa.schema([pa.field(name, columns[0].type)], metadata=metadata)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for column in columns:
            writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    body: bytes = sink.getvalue().to_pybytes()
    return body


async def ask_arrow(
    door: Door, body: bytes, *, by: Caller | None = PIPELINE, **headers: str
) -> httpx2.Response:
    """Send a stream to `/v1/checks`, and return whatever is answered."""
    headers = door.headers(by) | {"Content-Type": ARROW} | headers
    return await door.http.post("/v1/checks", content=body, headers=headers)


def table_of(response: httpx2.Response) -> pa.Table:
    """Return the answer that a response is, read to its end and found in order."""
    assert response.status_code == 200, response.text[:1_000]
    assert response.headers["content-type"] == ARROW
    with pa.ipc.open_stream(response.content) as reader:
        table: pa.Table = reader.read_all()
    table.validate(full=True)
    return table


def rows_of(table: pa.Table) -> Sequence[dict[str, Any]]:
    """Return its rows as JSON has them: instants as texts."""
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name in ("permitted_from", "valid_until"):
            if row[name] is not None:
                row[name] = row[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return rows
