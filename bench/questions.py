"""Checks as bytes, in both forms, and what is answered to them held against the world."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from bench.asking import Address
from bench.serving import Service
from bench.world import World

ARROW: Final = "application/vnd.apache.arrow.stream"
METADATA: Final = "fermata.check"
"""Where the schema's metadata say what is asked, in JSON."""


class Form(StrEnum):
    """How a bulk check is asked and answered."""

    JSON = "json"
    ARROW = "arrow"


def question(
    service: Service, token: str, use: str, ids: Sequence[str], form: Form, **more: object
) -> bytes:
    """Return the request that asks a service about this content, ready to send."""
    return ask_about(service.address, token, use, ids, form, **more)


def ask_about(
    address: Address, token: str, use: str, ids: Sequence[str], form: Form, **more: object
) -> bytes:
    """Return the request that asks whoever listens there about this content."""
    if form is Form.JSON:
        shape = "objects" if len(ids) == 1 else "columns"
        asked = {"use": use, "content": list(ids), "shape": shape, **more}
        body = json.dumps(asked, separators=(",", ":")).encode()
        return address.request("POST", "/v1/checks", token=token, body=body)
    return address.request(
        "POST",
        "/v1/checks",
        token=token,
        body=_arrow(use, ids, more),
        media=ARROW,
        headers=f"Accept: {ARROW}\r\n",
    )


def _arrow(use: str, ids: Sequence[str], more: dict[str, Any]) -> bytes:
    said = {METADATA: json.dumps({"use": use, **more})}
    schema = pa.schema([("content", pa.string())], metadata=said)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch([pa.array(ids, pa.string())], schema=schema))
    return bytes(sink.getvalue())


def answered(body: bytes, form: Form) -> list[tuple[str, bool, str]]:
    """Return what an answer says: of each content its id, whether it is permitted, and why."""
    if form is Form.ARROW:
        with pa.ipc.open_stream(body) as stream:
            table = stream.read_all()
        columns: dict[str, list[Any]] = {
            name: table.column(name).to_pylist() for name in ("content", "permitted", "reason")
        }
    else:
        results = json.loads(body)["results"]
        if isinstance(results, list):
            return [(one["content"], one["permitted"], one["reason"]) for one in results]
        columns = results
    return list(zip(columns["content"], columns["permitted"], columns["reason"], strict=True))


def hold(
    world: World, batch: tuple[str, Sequence[str]], found: Iterable[tuple[str, bool, str]]
) -> int:
    """Hold an answer against the world, and return how many checks that was. Raises ValueError."""
    use, ids = batch
    expected = [(one, world.permits(use, one), world.why(use, one)) for one in ids]
    for right, given in zip(expected, found, strict=True):
        if right != given:
            raise ValueError(f"{use} of {right[0]}: {right[1:]} is right, {given} was answered")
    return len(expected)
