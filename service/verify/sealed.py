"""Sealed months of the decision log: rows and files against what the ledger says of them.

docs/decision-log.md says what the files hold and how the root over them is made; this is read from
there.
"""

import re
import struct
import tempfile
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from service.domain.merkle import leaf_hash
from service.verify.connecting import Connection, has_table
from service.verify.few import Few
from service.verify.finding import Findings, What
from service.verify.leaf import Leaf, instant, stored_json
from service.verify.tree import Tree

NO_PLACE: Final = "sealed decisions: it was not said where their files are"
DISCARDED: Final = "sealed decisions: discarded since, as a retention rule allows"

TABLE: Final = "sealed_periods"
_ROWS: Final = """
SELECT period, decisions, outcomes, root, files, revision, sealed_at, first_at, last_at,
    discarded_at, discarded_at > now() + interval '1 day' AS ahead
FROM sealed_periods ORDER BY revision
"""
_CHUNK: Final = 1 << 20
_AT_ONCE: Final = 8_192
DECISIONS: Final = "decisions-"
_OUTCOMES: Final = "outcomes-"
"""How the names of files begin that hold the one or the other."""
_NAMES: Final = (
    "decision_id",
    "answered_at",
    "evaluated_at",
    "revision",
    "client",
    "caller",
    "use",
    "recipient",
    "about",
    "one",
    "position",
    "permitted",
    "reason",
    "policy_version",
    "permitted_from",
    "valid_until",
    "run",
    "job",
    "request",
)


class Files(Protocol):
    """Where sealed files are kept."""

    async def fetch(self, name: str, into: Path) -> bool:
        """Copy a file; return whether there is one. Raises CannotLook where nobody can tell."""


async def hold_sealed(
    connection: Connection, few: Few, files: Files | None, findings: Findings
) -> None:
    """Hold the table against the ledger, and every file that is to be there against both."""
    stored = await connection.fetch(_ROWS) if await has_table(connection, TABLE) else []
    rows = {row["period"]: row for row in stored}
    for period, number in Counter(row["period"] for row in stored).items():
        if number > 1:
            says = "it is there more than once"
            findings.add(What.ROW_EXTRA, rows[period]["revision"], f"{TABLE} {period}", says)
    for period in sorted(rows.keys() - few.sealed.keys()):
        says = "no event made this row"
        findings.add(What.ROW_EXTRA, rows[period]["revision"], f"{TABLE} {period}", says)
    for period, (revision, leaf) in few.sealed.items():
        try:
            sealing = _Sealing(period, revision, leaf, findings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            says = f"it does not say what its kind has to: {error!r}"
            findings.add(What.EVENT_UNREADABLE, revision, f"ledger {revision}", says)
            continue
        if sealing.holds_row(rows.get(period), few):
            await sealing.hold_files(files)


class _Sealing:
    """One month, as its event describes it."""

    def __init__(self, period: str, revision: int, leaf: Leaf, findings: Findings) -> None:
        self._period = period
        self._revision = revision
        self._findings = findings
        self._decisions, self._outcomes = int(leaf["decisions"]), int(leaf["outcomes"])
        self._root = bytes.fromhex(leaf["root"])
        self._files = [(one["name"], one["sha256"], int(one["rows"])) for one in leaf["files"]]
        self._at = instant(leaf["at"])
        self._ends: dict[str, tuple[Any, Any]] = {}
        self._extent: tuple[Any, Any] | None = None
        if not all(isinstance(name, str) for name, _, _ in self._files):
            raise TypeError("the name of a file is no text")

    def holds_row(self, row: Any, few: Few) -> bool:
        """Hold the month's row against its event; return whether its files are to be there."""
        where = f"{TABLE} {self._period}"
        if row is None:
            says = f"event {self._revision} made this row, and it is gone"
            self._findings.add(What.ROW_MISSING, self._revision, where, says)
            return True
        self._findings.saw(f"rows of {TABLE}")
        said = _described(row["files"])
        files = [(one.get("name"), one.get("sha256"), one.get("rows")) for one in said]
        self._extent = row["first_at"], row["last_at"]
        self._ends = {str(one.get("name")): (one.get("first"), one.get("last")) for one in said}
        pairs = {
            "decisions": (row["decisions"], self._decisions),
            "outcomes": (row["outcomes"], self._outcomes),
            "root": (row["root"], self._root),
            "files": (files, self._files),
            "revision": (row["revision"], self._revision),
            "sealed_at": (row["sealed_at"], self._at),
        }
        differ = ", ".join(name for name, (is_, should) in pairs.items() if is_ != should)
        if differ:
            says = f"{differ}: not as event {self._revision} has it"
            self._findings.add(What.ROW_DIFFERS, self._revision, where, says)
        if row["discarded_at"] is None:
            return True
        if not row["ahead"] and may_discard(self._period, few, row["discarded_at"]):
            self._findings.could_not_see(DISCARDED)
        else:
            says = "its files are called discarded, and no rule of then allows it"
            self._findings.add(What.SEALED_MISSING, self._revision, where, says)
        return False

    async def hold_files(self, files: Files | None) -> None:
        """Hold every file against its digest and its rows, and the rows against the root."""
        if files is None:
            self._findings.could_not_see(NO_PLACE)
            return
        tree, whole = Tree(), True
        extent: list[Any] = []
        for name, digest, rows in self._files:
            with tempfile.TemporaryDirectory(prefix="fermata-verify-") as folder:
                path = Path(folder) / "sealed.parquet"
                if not await files.fetch(name, path):
                    self._wrong(What.SEALED_MISSING, name, "it is missing")
                    whole = False
                elif not self._is_sound(path, name, digest, rows, extent):
                    whole = False
                elif name.rpartition("/")[2].startswith(_OUTCOMES):
                    whole &= self._grow(tree, path, name)
        if whole and (tree.root(), tree.size) != (self._root, self._outcomes):
            self._wrong(What.SEALED_ALTERED, self._period, "its root is not that of its outcomes")
        span = (extent[0], extent[-1]) if extent else (None, None)
        if whole and self._extent not in {None, span}:
            says = "first_at, last_at: not as its files have it"
            self._findings.add(What.ROW_DIFFERS, self._revision, f"{TABLE} {self._period}", says)

    def _is_sound(self, path: Path, name: str, digest: str, rows: int, extent: list[Any]) -> bool:
        self._findings.saw("sealed files")
        if digest_of(path) != digest:
            self._wrong(What.SEALED_ALTERED, name, "its SHA-256 is not the one in the ledger")
            return False
        try:
            found = pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            self._wrong(What.SEALED_ALTERED, name, f"it cannot be read: {error}")
            return False
        if found != rows:
            self._wrong(What.SEALED_ALTERED, name, f"it has {found} rows, and should have {rows}")
            return False
        self._hold_ends(path, name, extent)
        return True

    def _hold_ends(self, path: Path, name: str, extent: list[Any]) -> None:
        """Hold what look-ups go by, to know which file to open, against where its rows end.

        The instants that its decisions begin and end with are added to `extent`.
        """
        try:
            ends = _ends_of(path, name)
        except (pa.ArrowException, OSError, KeyError) as error:
            self._wrong(What.SEALED_ALTERED, name, f"it cannot be read: {error}")
            return
        if not name.rpartition("/")[2].startswith(_OUTCOMES):
            extent += [ends[0][0], ends[1][0]]
        if name in self._ends and ends != tuple(self._ends[name]):
            where, says = f"{TABLE} {self._period}", f"files: {name} begins or ends otherwise"
            self._findings.add(What.ROW_DIFFERS, self._revision, where, says)

    def _grow(self, tree: Tree, path: Path, name: str) -> bool:
        try:
            with pq.ParquetFile(path) as file:
                _require_outcomes(file.schema_arrow.names)
                for batch in file.iter_batches(_AT_ONCE):
                    tree.extend([leaf_hash(one) for one in leaves(batch)])
                    self._findings.saw("sealed outcomes", batch.num_rows)
        except (pa.ArrowException, OSError, ValueError) as error:
            self._wrong(What.SEALED_ALTERED, name, f"it cannot be read: {error}")
            return False
        return True

    def _wrong(self, what: What, name: str, says: str) -> None:
        self._findings.add(what, self._revision, f"sealed {name}", says)


def _described(files: str | None) -> list[dict[str, Any]]:
    """Return what a row says of files; nothing where that is no list of descriptions."""
    said = stored_json(files)
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        return []
    return said


def _ends_of(path: Path, name: str) -> tuple[list[Any], list[Any]]:
    """Return the first and the last row of a file, as far as it is in order by them."""
    of_outcomes = name.rpartition("/")[2].startswith(_OUTCOMES)
    columns = ["about", "one"] if of_outcomes else ["answered_at", "decision_id"]
    with pq.ParquetFile(path) as file:
        rows = []
        for group, at in ((0, 0), (file.num_row_groups - 1, -1)):
            table = file.read_row_group(group, columns).select(columns)
            cells = [
                column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
                for column in table.columns
            ]
            rows.append([column[at].as_py() for column in cells])
    return rows[0], rows[1]


_DAY: Final = timedelta(days=1)
_KEEP: Final = re.compile(r"P(?:(\d{1,2})Y)?(?:(\d{1,3})M)?(?:(\d{1,5})D)?", re.ASCII)
_MONTHS: Final = 12
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def may_discard(period: str, few: Few, at: int) -> bool:
    """Tell whether a rule in force at an instant let a month's files go, give or take a day."""
    try:
        moment = _EPOCH + timedelta(microseconds=at)
        year, month = (int(part) for part in period.split("-"))
        until = [since for since, _ in few.kept_decisions[1:]]
        rules = zip(few.kept_decisions, [*until, None], strict=True)
        return any(
            since <= at + _DAY // timedelta(microseconds=1)
            and (end is None or end >= at - _DAY // timedelta(microseconds=1))
            and _is_over(year * _MONTHS + month, keep, moment + _DAY)
            for (since, keep), end in rules
        )
    except (OverflowError, ValueError, TypeError):
        return False


def _is_over(month: int, keep: object, moment: datetime) -> bool:
    """Tell whether a month, counted from the year 0, has ended so long ago as a rule says.

    Months are taken away first, then days; a day that a month has not is its last.
    """
    found = _KEEP.fullmatch(keep) if isinstance(keep, str) else None
    if found is None:
        return False
    years, months, days = (int(number or 0) for number in found.groups())
    there = moment.year * _MONTHS + moment.month - 1 - years * _MONTHS - months
    year, place = divmod(there, _MONTHS)
    day = min(moment.day, monthrange(year, place + 1)[1])
    earlier = moment.replace(year=year, month=place + 1, day=day) - timedelta(days=days)
    year, place = divmod(month, _MONTHS)
    return datetime(year, place + 1, 1, tzinfo=UTC) <= earlier


def _require_outcomes(names: Sequence[str]) -> None:
    if tuple(names) != _NAMES:
        raise ValueError("it has other columns than outcomes have")


def leaves(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield the bytes of each outcome's leaf: its columns, one behind the other."""
    for row in zip(*(_cells(column) for column in batch.columns), strict=True):
        yield b"".join(row)


def _cells(column: pa.Array) -> Sequence[bytes]:
    """Return a column's bytes in each leaf. Most columns have few values, each made once."""
    write, values = _written_as(column)
    known = {value: write(value) for value in set(values)}
    return [known[value] for value in values]


def _written_as(column: pa.Array) -> tuple[Callable[[Any], bytes], list[Any]]:
    if pa.types.is_string(column.type):
        return _text, column.to_pylist()
    if pa.types.is_boolean(column.type):
        return _truth, column.to_pylist()
    return _number, column.cast(pa.int64()).to_pylist()


_THERE: Final[Mapping[bool, bytes]] = {True: b"\x01", False: b"\x00"}


def _text(value: str | None) -> bytes:
    encoded = (value or "").encode()
    return _THERE[value is not None] + struct.pack(">I", len(encoded)) + encoded


def _number(value: int | None) -> bytes:
    return _THERE[value is not None] + struct.pack(">q", value or 0)


def _truth(value: bool | None) -> bytes:  # noqa: FBT001 - a cell
    return _THERE[value is not None] + _THERE[bool(value)]


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
