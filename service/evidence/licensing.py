"""The pack `licensing-certification`: everything that was permitted, and who said yes to it when.

    licensing-certification.html, .json        the cover sheet: totals, and what has no yes
    licensing-certification.parquet, .csv      a row for each rightsholder of each content
    licensing-without-yes.parquet, .csv        each content without a yes of all its rightsholders

Who certifies that a model was trained with licences only accepts no silence in place of a licence.
So what was permitted by silence, or without asking, stands in a list of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from service.db.engine import ReadSession
from service.domain.instant import Instant, format_instant
from service.domain.policy import PolicyVersion
from service.evidence.asked import Asking, lay_out
from service.evidence.grounds import WEAKEST_FIRST, Ground, lay_out_grounds
from service.evidence.licensing_columns import ROWS, WITHOUT_YES
from service.evidence.rested import lay_out_judged
from service.evidence.row_files import RowFiles
from service.evidence.scope import known_versions, left_out, scope_json
from service.evidence.scratch import Scratch
from service.evidence.sheet import write_sheet
from service.evidence.wanted import PackWanted
from service.ledger.events import Json

NAME: Final = "licensing-certification"
SCHEMA: Final = "fermata.licensing-certification/1"
WITHOUT_YES_NAME: Final = "licensing-without-yes"

SHOWN: Final = 50
"""Content without a yes that the cover sheet lists itself; all of it is in the files."""

_AT_ONCE: Final = 20_000

_NOT_COVERED: Final = (
    "What no pipeline asked about, and whether what was permitted was in fact used.",
    "Licences that are agreed elsewhere: Fermata knows what rightsholders told the platform.",
    "Rightsholders other than those that the platform has registered for a content.",
    "What was permitted at other times, and for other uses or recipients, than those named above.",
)
_ALL: Final = "FROM rested AS r JOIN permitted AS p USING (n) WHERE r.n > ? AND r.n <= ?"
_WITHOUT: Final = f"""{_ALL} AND p.ground <> '{Ground.OPTED_IN.value}'
    AND r.position IS NOT DISTINCT FROM p.position"""
_GROUNDS: Final = """
SELECT p.ground, p.policy_version, count(DISTINCT p.n) AS content,
    count(DISTINCT r.subject) AS rightsholders
FROM permitted AS p JOIN rested AS r USING (n) GROUP BY p.ground, p.policy_version
"""
_TOTALS: Final = """
SELECT count(DISTINCT n) AS content, count(DISTINCT subject) AS rightsholders,
    count(DISTINCT subject) FILTER (erased) AS erased_rightsholders,
    (SELECT count(*) FROM asked) AS asked
FROM rested
"""


async def write(session: ReadSession, wanted: PackWanted, folder: Path) -> list[Path]:
    """Write the pack of a column, or of one run. Raises Refused as `Pack.write` says."""
    rows = RowFiles(folder, NAME, ROWS)
    without_yes = RowFiles(folder, WITHOUT_YES_NAME, WITHOUT_YES)
    async with Scratch(folder) as scratch:
        asking = await lay_out(session, wanted, scratch)
        versions = await known_versions(session, wanted)
        await lay_out_judged(session, wanted, versions, scratch)
        await lay_out_grounds(scratch)
        await _fill(scratch, rows, _ALL)
        await _fill(scratch, without_yes, _WITHOUT)
        document = {
            "schema": SCHEMA,
            "title": "Licensing certification",
            "scope": scope_json(wanted),
            **await _figures(scratch, asking, versions),
            "tables": [rows.to_json(), without_yes.to_json()],
            "not_covered": [*_NOT_COVERED, *left_out(asking)],
        }
    return [*write_sheet(folder, NAME, document), *rows.paths, *without_yes.paths]


async def _fill(scratch: Scratch, files: RowFiles, source: str) -> None:
    """Write what is selected from `source`, in the order of content and rightsholders."""
    last = (await scratch.row("SELECT coalesce(max(n), 0) AS n FROM rested"))["n"]
    query = f"SELECT {files.selected} {source} ORDER BY r.n, r.position"
    with files:
        for start in range(0, last, _AT_ONCE):
            files.write(await scratch.table(query, start, start + _AT_ONCE))


async def _figures(scratch: Scratch, asking: Asking, versions: Sequence[PolicyVersion]) -> Json:
    totals = await scratch.row(_TOTALS)
    grounds = sorted(await scratch.rows(_GROUNDS), key=_how_weak)
    own = sum(row["content"] for row in grounds if row["ground"] == Ground.OPTED_IN.value)
    return {
        "decisions": {
            "number": asking.decisions,
            "first_at": _instant(asking.first_at),
            "last_at": _instant(asking.last_at),
        },
        "totals": totals | {"yes_of_all": own, "without_yes": totals["content"] - own},
        "grounds": [row | {"mode": _mode(row, versions)} for row in grounds],
        "without_yes": await _shown(scratch),
    }


async def _shown(scratch: Scratch) -> list[Json]:
    query = f"""
    SELECT p.content, r.isrc, r.title, p.ground AS why, r.rightsholder, r.erased
    FROM permitted AS p JOIN rested AS r
        ON r.n = p.n AND r.position IS NOT DISTINCT FROM p.position
    WHERE p.ground <> '{Ground.OPTED_IN.value}' ORDER BY p.n LIMIT {SHOWN}
    """  # noqa: S608 - constants of this file
    return await scratch.rows(query)


def _how_weak(row: dict[str, Any]) -> tuple[int, int]:
    return WEAKEST_FIRST.index(row["ground"]), row["policy_version"] or 0


def _mode(row: dict[str, Any], versions: Sequence[PolicyVersion]) -> str | None:
    version = row["policy_version"]
    return versions[version - 1].mode.value if version else None


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
