"""Sealed months of the decision log: rows and files are what the ledger says, or it is told."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import pytest

from service.rights.period import Period
from service.rights.retention import Kept, set_retention
from service.verify.database import Trust, verify_database
from service.verify.few import Few
from service.verify.finding import Report, What
from service.verify.leaf import instant
from service.verify.sealed import NO_PLACE, may_discard
from tests.conftest import migrated_database
from tests.ledger.writing import appending
from tests.sealing.months import made_up, several_months
from tests.transparency.logs import superuser
from tests.verify.seeded import KEK, copied

APRIL: Final = "2026-04"


class Folder:
    """Sealed files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self.folder = folder

    async def fetch(self, name: str, into: Path) -> bool:
        """Copy one."""
        path = self.folder / name
        there = await asyncio.to_thread(path.exists)
        if there:
            await asyncio.to_thread(shutil.copyfile, path, into)
        return there

    def change(self, kind: str) -> str:
        """Flip a bit of the first file of a kind; return its name."""
        path = self.first(kind)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)
        return str(path.relative_to(self.folder))

    def first(self, kind: str) -> Path:
        """Return the first file of a kind."""
        return min(self.folder.rglob(f"{kind}-*.parquet"))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ledger with sealed months, and the folder that they are in."""

    url: str
    folder: Path


@pytest.fixture(scope="session")
def sealed(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """Return months that are sealed once; nobody may change them."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(migrated_database(postgres_url)))
        try:
            yield runner.run(_seal(url, tmp_path_factory.mktemp("sealed")))
        finally:
            runner.run(stack.aclose())


async def _seal(url: str, folder: Path) -> Sealed:
    async with several_months(url, folder) as months:
        await months.record(*made_up(random.Random(5), 30))
        await months.seal()
        return Sealed(url, months.folder)


@pytest.fixture
async def months(postgres_url: str, sealed: Sealed, tmp_path: Path) -> AsyncIterator[Sealed]:
    """Return a copy of them, to be changed."""
    folder = Path(shutil.copytree(sealed.folder, tmp_path / "sealed"))
    async with copied(postgres_url, sealed.url) as url:
        yield Sealed(url, folder)


async def looked_at(months: Sealed, *, without_place: bool = False) -> Report:
    """Look at all of it."""
    files = None if without_place else Folder(months.folder)
    return await verify_database(months.url, Trust(key_encryption_key=KEK), sealed=files)


async def test_sealed_months_hold(months: Sealed) -> None:
    """Every file, every outcome, and the root over them."""
    report = await looked_at(months)
    assert report.findings == ()
    assert report.looked["rows of sealed_periods"] >= 2
    assert report.looked["sealed files"] == 2 * report.looked["rows of sealed_periods"]
    assert report.looked["sealed outcomes"] > 60
    report = await looked_at(months, without_place=True)
    assert report.holds
    assert NO_PLACE in report.unseen


@pytest.mark.parametrize("kind", ["decisions", "outcomes"])
async def test_an_altered_sealed_file(months: Sealed, kind: str) -> None:
    """One bit of it, in either kind, and one that is gone."""
    name = Folder(months.folder).change(kind)
    [finding] = (await looked_at(months)).findings
    assert (finding.what, finding.where) == (What.SEALED_ALTERED, f"sealed {name}")
    assert finding.revision is not None
    Folder(months.folder).first(kind).unlink()
    [finding] = (await looked_at(months)).findings
    assert (finding.what, finding.where) == (What.SEALED_MISSING, f"sealed {name}")


ROWS: Final = {
    "a number": ("UPDATE sealed_periods SET decisions = decisions - 1 WHERE period = $1", True),
    "a root": ("UPDATE sealed_periods SET root = sha256(root) WHERE period = $1", True),
    "a file left out": ("UPDATE sealed_periods SET files = '[]' WHERE period = $1", True),
    "when it begins": (
        "UPDATE sealed_periods SET first_at = first_at + interval '1 day' WHERE period = $1",
        True,
    ),
    "which content a file has": (
        (
            "UPDATE sealed_periods SET files = jsonb_set(files, '{1,last}', '[5, 6]') "
            "WHERE period = $1"
        ),
        True,
    ),
    "called not moved": (
        "UPDATE sealed_periods SET moved_at = NULL WHERE period = $1",
        True,
    ),
    "no list of files": ("UPDATE sealed_periods SET files = '5' WHERE period = $1", True),
    "removed": ("DELETE FROM sealed_periods WHERE period = $1", False),
    "called discarded": ("UPDATE sealed_periods SET discarded_at = now() WHERE period = $1", None),
}


@pytest.mark.parametrize("case", ROWS)
async def test_an_altered_row(months: Sealed, case: str) -> None:
    """What the table says is held against the event; files are read as the event names them."""
    statement, differs = ROWS[case]
    async with superuser(months.url) as connection:
        await connection.execute(statement, "2026-04")
    [finding] = (await looked_at(months)).findings
    assert finding.where == "sealed_periods 2026-04"
    assert finding.revision is not None
    assert (
        finding.what
        is {
            True: What.ROW_DIFFERS,
            False: What.ROW_MISSING,
            None: What.SEALED_MISSING,
        }[differs]
    )


OTHER_NAME: Final = "dec_00000000000070000000000000000000"
TAMPERED: Final = {
    "nothing": ("SELECT $1::text", set()),
    "who asked": (
        "UPDATE decisions SET caller = 'nobody' WHERE decision_id = $1",
        {"caller: not as it was sealed"},
    ),
    "how it was asked": (
        "UPDATE decisions SET request = request || '{\"by\": 5}' WHERE decision_id = $1",
        {"request: not as it was sealed"},
    ),
    "one for another": (
        f"UPDATE decisions SET decision_id = '{OTHER_NAME}' WHERE decision_id = $1",
        {
            "answered_at: not as its name and its outcomes have it",
            "it is none of those that were sealed",
            "it was sealed, and is gone from the table that it is read from",
        },
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
async def test_a_month_that_was_put_back_into_the_table(months: Sealed, case: str) -> None:
    """It is read from there, so each decision has to be as it was sealed; the first is named."""
    statement, says = TAMPERED[case]
    name = await put_back(months, statement)
    found = (await looked_at(months)).findings
    assert {one.says for one in found} == says
    assert all(one.where.startswith("decisions dec_") for one in found)
    assert not says or f"decisions {name}" in {one.where for one in found}
    assert (await looked_at(months, without_place=True)).unseen[NO_PLACE]


async def put_back(months: Sealed, statement: str) -> str:
    """Make April's table again from its files, do harm to one decision; return its name."""
    files = months.folder.rglob("decisions-*.parquet")
    [file] = [path for path in files if path.parent.name == "2026-04"]
    rows = pq.read_table(file).to_pylist()
    outcomes = [pq.read_table(path).to_pylist() for path in months.folder.rglob("outcomes-*")]
    ones = {row["decision_id"]: row["one"] for some in outcomes for row in some}
    async with superuser(months.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE sealed_periods SET moved_at = NULL WHERE period = $1", APRIL
        )
        await connection.execute(
            "CREATE TABLE decisions_again PARTITION OF decisions"
            " FOR VALUES FROM ('2026-04-01 00:00+00') TO ('2026-05-01 00:00+00')"
        )
        for row in rows:
            one = ones[row["decision_id"]] if row["number"] == 1 else None
            row |= {"one": one, "reasons": json.dumps(dict(row["reasons"]))}
            names, values = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await connection.execute(
                f"INSERT INTO decisions ({names}) VALUES ({values})", *row.values()
            )
        name: str = rows[len(rows) // 2]["decision_id"]
        await connection.execute(statement, name)
    return name


async def test_a_month_discarded_too_early(months: Sealed) -> None:
    """That there is a rule is not enough: it has to let this month go, at that time."""
    async with appending(months.url) as write:
        await write.submit(set_retention({Kept.DECISIONS: Period(years=90)}))
    async with superuser(months.url) as connection:
        await connection.execute(
            "UPDATE sealed_periods SET discarded_at = r.set_at FROM retention_rules r "
            "WHERE period = '2026-04'"
        )
    [finding] = (await looked_at(months)).findings
    assert (finding.what, finding.where) == (What.SEALED_MISSING, "sealed_periods 2026-04")


@pytest.mark.parametrize(
    ("rules", "day", "allowed"),
    [
        ([("2026-01-01", "P6M")], "2026-11-01", True),
        ([("2026-01-01", "P6M")], "2026-10-20", False),
        ([("2026-01-01", "P7M30D")], "2026-12-31", True),
        ([("2026-01-01", "P6M"), ("2026-08-01", "P7Y")], "2026-12-01", False),
        ([("2026-01-01", "P6M"), ("2026-12-01", "P7Y")], "2026-12-01", True),
        ([("2026-01-01", None)], "2036-01-01", False),
        ([("2027-01-01", "P6M")], "2026-12-01", False),
        ([], "2036-01-01", False),
    ],
)
def test_which_rule_lets_a_month_go(
    rules: list[tuple[str, str | None]], day: str, *, allowed: bool
) -> None:
    """The one that was in force on that day, whatever was set before it or since."""
    few = Few(kept_decisions=[(at(since), keep) for since, keep in rules])
    assert may_discard("2026-04", few, at(day)) is allowed


def at(day: str) -> int:
    """Return the instant that a day begins with."""
    return instant(f"{day}T00:00:00.000000Z")
