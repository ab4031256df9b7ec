"""How a check is made, to be copied from the contract; docs/checks.md has the same, and runs it."""

from typing import Final

_CURL: Final = """\
curl -s -X POST http://127.0.0.1:8080/v1/checks -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"use": "discovery.recommendation", "content": ["track-1", "track-2"], "shape": "columns"}'
"""
_PYTHON: Final = """\
import json
import os

import httpx2
import pyarrow as pa

about = {"use": "discovery.recommendation", "run": "embeddings-2026-03-01"}
batch = pa.record_batch(
    {"content": pa.array(["track-1", "track-2"])}, metadata={"fermata.check": json.dumps(about)}
)
stream = pa.BufferOutputStream()
with pa.ipc.new_stream(stream, batch.schema) as writer:
    writer.write_batch(batch)
answer = httpx2.post(
    "http://127.0.0.1:8080/v1/checks",
    content=stream.getvalue().to_pybytes(),
    headers={
        "Authorization": f"Bearer {os.environ['TOKEN']}",
        "Content-Type": "application/vnd.apache.arrow.stream",
    },
).raise_for_status()
results = pa.ipc.open_stream(answer.content).read_all()
permitted = results.filter(results["permitted"])["content"]
"""

SAMPLES: Final = [
    {"lang": "Shell", "label": "JSON", "source": _CURL},
    {"lang": "Python", "label": "Arrow", "source": _PYTHON},
]
