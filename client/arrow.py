"""Checks in Apache Arrow, for up to a million ids at once. It needs pyarrow, and the rest does not.

from client.arrow import check_table

results = check_table(connection, table["track"], "training.generative.music", run="nightly-7")
permitted = table.filter(results["permitted"])
"""

import json
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from client.connection import Connection

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"


def check_table(
    connection: Connection,
    ids: pa.Array | pa.ChunkedArray | Sequence[str],
    use: str,
    *,
    artists: bool = False,
    **about: object,
) -> pa.Table:
    """Ask whether content may be used, or artists; a row for each id, in the order asked.

    `about` is what else a check says: `recipient`, `consistency`, `min_policy_version`, `at`,
    `run`. The columns are `content` or `artist`, `permitted`, `reason`, `policy_version`,
    `permitted_from` and `valid_until`; the schema's metadata has `decision_id` and `revision`.
    Raises Problem where there is no answer: treat it as a no.
    """
    column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.utf8())
    said = {"fermata.check": json.dumps({"use": use, **about})}
    question = pa.table({"artist" if artists else "content": column})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, question.schema.with_metadata(said)) as writer:
        writer.write_table(question)
    body = sink.getvalue().to_pybytes()
    return pa.ipc.open_stream(connection.exchange("/v1/checks", body, MEDIA_TYPE)).read_all()
