"""What was asked about and never permitted: the last reason, and whose content it was then.

    denied(reason, n, subject)

A row for each rightsholder; one without a subject where there is none, as for unknown content.
"""

from typing import Any, Final

import pyarrow as pa

from service.db.engine import ReadSession
from service.decisions.compiled.answers import REASONS
from service.evidence.scratch import Scratch
from service.evidence.standing import AT_ONCE
from service.evidence.stood import Stood, read_content
from service.evidence.wanted import PackWanted

_DENIED: Final = pa.schema(
    [pa.field("reason", pa.string()), pa.field("n", pa.int64()), pa.field("subject", pa.string())]
)
_NEVER_PERMITTED: Final = """
SELECT a.n, a.one AS content, a.last_reason AS reason, d.revision
FROM asked AS a JOIN decisions AS d ON d.n = a.last_decision
WHERE NOT a.permitted AND a.n > ? AND a.n <= ?
"""


async def lay_out_denied(session: ReadSession, wanted: PackWanted, scratch: Scratch) -> None:
    """Fill `denied` from `asked`."""
    await scratch.insert("CREATE TABLE denied AS SELECT * FROM part", _DENIED.empty_table())
    last = (await scratch.row("SELECT coalesce(max(n), 0) AS n FROM asked"))["n"]
    for start in range(0, last, AT_ONCE):
        some = await scratch.rows(_NEVER_PERMITTED, start, start + AT_ONCE)
        stood = Stood()
        await read_content(session, wanted, [one["content"] for one in some], stood)
        rows = [row for one in some for row in _rows(one, stood)]
        await scratch.insert(
            "INSERT INTO denied SELECT * FROM part", pa.Table.from_pylist(rows, _DENIED)
        )


def _rows(one: dict[str, Any], stood: Stood) -> list[dict[str, Any]]:
    put = stood.put(one["content"], one["revision"])
    reason = REASONS[one["reason"]].value
    subjects = put.rightsholders if put and put.rightsholders else (None,)
    return [{"reason": reason, "n": one["n"], "subject": subject} for subject in subjects]
