"""Decisions in a bundle, a row for each outcome: held against themselves and against policies.

Whether the ledger leads to an answer is not worked out here. What is: that an answer is what its
reason and its interval say, that a decision is one in all its rows, that its name tells when it was
answered, and that the ledger and the policies were such then. `runs` are counted once more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.assessment import PERMITS, Reason
from service.domain.policy import Mode, PolicyVersion
from service.verify.bulk import Which, numbers, truths
from service.verify.cells import Row
from service.verify.finding import Findings, What
from service.verify.known import Known
from service.verify.logged import named_then

_OUTRIGHT: Final = frozenset(
    {
        Reason.UNKNOWN_USE,
        Reason.UNKNOWN_CONTENT,
        Reason.CONTENT_REMOVED,
        Reason.CONTENT_DISPUTED,
        Reason.NO_RIGHTSHOLDER,
        Reason.UNKNOWN_ARTIST,
        Reason.ARTIST_ERASED,
    }
)
"""Reasons that no policy version leads to (R1)."""
_MODES: Final[Mapping[Reason, Mode]] = {
    Reason.OPEN: Mode.OPEN,
    Reason.WINDOW_CLOSED: Mode.OPT_OUT,
    Reason.PROHIBITED: Mode.PROHIBITED,
    Reason.NO_OPT_IN: Mode.OPT_IN,
}
"""Reasons that only a version of one mode leads to."""
_JUDGED: Final = frozenset({*PERMITS, *_MODES, Reason.RECIPIENT_NOT_LISTED})
"""Reasons that a version always leads to."""
_KNOWN: Final = frozenset(reason.value for reason in Reason)
_ABOUT: Final = frozenset({"content", "artists"})

_ONCE: Final = (
    "answered_at",
    "evaluated_at",
    "revision",
    "client",
    "caller",
    "use",
    "recipient",
    "about",
    "run",
    "job",
    "request",
)
"""What all outcomes of a decision have in common."""
_LEADS: Final = ("use", "recipient", "reason", "policy_version")


class DecisionRows:
    """Takes the rows of `decisions`, some at a time."""

    def __init__(
        self, size: int, known: Known | None, findings: Findings, *, in_part: bool
    ) -> None:
        """Take how many events there are, and what entries say if all are there.

        `in_part` says that outcomes of a decision may be left out.
        """
        self._size = size
        self._known = known
        self._findings = findings
        self._in_part = in_part
        self._last: pa.RecordBatch | None = None
        self.runs: Runs | None = None
        """Who counts the runs, if anybody wants it."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold some rows; they follow those that were taken before."""
        if not batch.num_rows:
            return
        for says, wrong in self._wrong(batch).items():
            self._add(batch, wrong, says)
        if self._known is not None:
            self._hold_against_policies(batch, self._known)
        if self.runs is not None:
            self.runs.take(batch)
        self._last = batch.slice(batch.num_rows - 1)

    def end(self) -> None:
        """Nothing is left to be held."""

    def _wrong(self, batch: pa.RecordBatch) -> dict[str, Which]:
        """Return what may be wrong, and with which rows it is."""
        revision, evaluated = numbers(batch["revision"]), numbers(batch["evaluated_at"])
        permitted = truths(pc.fill_null(batch["permitted"], fill_value=False))
        known, permits = _among(batch["reason"], _KNOWN), _among(batch["reason"], PERMITS)
        found = {
            "reason: it is none that there is": ~known,
            "about: it is neither content nor artists": ~_among(batch["about"], _ABOUT),
            "permitted: not what the reason means": known & (permitted != permits),
            "permitted_from, valid_until: not what the answer means then": (
                permitted != _is_within(batch, evaluated)
            ),
            "answered_at: not what its name tells": _named_otherwise(batch),
            "revision: later than all that is shown": (revision < 0) | (revision > self._size),
            **self._torn(batch),
        }
        if self._known is not None:
            at = self._known.said_at(revision)["at"]
            found["evaluated_at: the revision that it names was still to come"] = evaluated < at
        return found

    def _torn(self, batch: pa.RecordBatch) -> dict[str, Which]:
        """Return which rows are not as the row before them has their decision."""
        before = self._before(batch)
        same = truths(pc.equal(before["decision_id"], batch["decision_id"]))
        found = {
            f"{name}: not as in the decision's other rows": same
            & _differ(before[name], batch[name])
            for name in _ONCE
        }
        position, follows = numbers(batch["position"]), numbers(before["position"]) + 1
        if self._in_part:  # in order of time, or as it lies in a sealed month
            alike = same & ~_differ(before["one"], batch["one"])
            wrong = (position < 0) | alike & (position < follows)
        else:
            wrong = position != np.where(same, follows, 0)
            found["it is there twice, or not in its place"] = ~same & ~_comes_after(before, batch)
        return found | {"position: outcomes of the decision are missing, or too many": wrong}

    def _before(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the row before each; before the very first there is one of no decision."""
        first = self._last
        if first is None:
            first = batch.slice(0, 1)
            at = batch.schema.get_field_index("decision_id")
            first = first.set_column(at, "decision_id", pa.array([""], pa.string()))
        rows = batch.slice(0, batch.num_rows - 1)
        return pa.Table.from_batches([first.cast(batch.schema), rows]).combine_chunks()

    def _hold_against_policies(self, batch: pa.RecordBatch, known: Known) -> None:
        """Hold each kind of answer against the versions that there were (R1, R2)."""
        table = pa.Table.from_batches([batch])
        spans = table.group_by(list(_LEADS)).aggregate([("revision", "min"), ("revision", "max")])
        for kind in spans.to_pylist():
            says = _against(kind, known.few.versions.get(kind["use"], ()))
            if says is not None:
                self._add(batch, _is_of(batch, kind), says)

    def _add(self, batch: pa.RecordBatch, wrong: Which, says: str) -> None:
        if not wrong.any():
            return
        some = batch.select(["revision", "decision_id", "position"]).filter(pa.array(wrong))
        for row in some.to_pylist():
            named = f"decisions {row['decision_id']} position={row['position']}"
            self._findings.add(What.DECISION_DIFFERS, row["revision"], named, says)


def _among(column: pa.Array, words: Collection[str]) -> Which:
    return truths(pc.is_in(column, value_set=pa.array(map(str, words), pa.string())))


def _is_within(batch: pa.RecordBatch, evaluated: Any) -> Which:
    """Tell of which rows the instant lies in the interval that is permitted (R9)."""
    begins, ends = batch["permitted_from"], batch["valid_until"]
    begun = truths(pc.is_valid(begins)) & (numbers(begins) <= evaluated)
    found: Which = begun & (truths(pc.is_null(ends)) | (evaluated < numbers(ends)))
    return found


def _named_otherwise(batch: pa.RecordBatch) -> Which:
    pairs = zip(batch["decision_id"].to_pylist(), batch["answered_at"].to_pylist(), strict=True)
    return np.array([not named_then(*pair) for pair in pairs], np.bool_)


def _comes_after(before: pa.Table, batch: pa.RecordBatch) -> Which:
    """Tell which rows come after those before them by the instant, and of one instant by name."""
    earlier, later = numbers(before["answered_at"]), numbers(batch["answered_at"])
    named = truths(pc.less(before["decision_id"], batch["decision_id"]))
    found: Which = (earlier < later) | ((earlier == later) & named)
    return found


def _differ(some: pa.ChunkedArray, others: pa.Array) -> Which:
    """Tell which values differ; CSV has nothing for what is empty and for what is not."""
    empty: Any = "" if pa.types.is_string(others.type) else -1
    return truths(pc.not_equal(pc.fill_null(some, empty), pc.fill_null(others, empty)))


def _is_of(batch: pa.RecordBatch, kind: Mapping[str, Any]) -> Which:
    found = np.ones(batch.num_rows, np.bool_)
    for name in _LEADS:
        value = kind[name]
        is_it = pc.is_null(batch[name]) if value is None else pc.equal(batch[name], value)
        found &= truths(pc.fill_null(is_it, fill_value=False))
    return found


def _against(kind: Mapping[str, Any], versions: Sequence[PolicyVersion]) -> str | None:
    """Return why such answers cannot have been given, as far as versions alone tell it.

    `kind` is a use, a recipient, a reason and a version, and the span of revisions named with them.
    """
    first, last, reason = kind["revision_min"], kind["revision_max"], kind["reason"]
    if reason not in _KNOWN:
        return None  # it was found by itself
    if reason == Reason.UNKNOWN_USE:
        known_then = versions and versions[0].revision <= last
        return "reason: the use had a policy by then" if known_then else None
    if not versions or versions[0].revision > first:
        return "reason: the use had no policy yet"
    number = kind["policy_version"]
    if number is None:
        none = "policy_version: there is none, where there has to be"
        return none if reason in _JUDGED else None
    if not 0 < number <= len(versions) or versions[number - 1].revision > first:
        return "policy_version: it was not published by then"
    return _against_version(Reason(reason), kind["recipient"], versions[number - 1])


def _against_version(reason: Reason, recipient: str, version: PolicyVersion) -> str | None:
    if reason in _OUTRIGHT:
        return "policy_version: there is one, where there is none to judge by"
    if _MODES.get(reason, version.mode) is not version.mode:
        return f"reason: the version that it names is {version.mode.value}"
    if reason in PERMITS and not version.lists(recipient):
        return "recipient: the version that it names does not list it"
    if reason is Reason.RECIPIENT_NOT_LISTED and version.lists(recipient):
        return "reason: the version that it names lists the recipient"
    return None


@dataclass(slots=True)
class _Run:
    """What the decisions of one run add up to."""

    first: int
    last: int
    decisions: int = 0
    about: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)


_Name: TypeAlias = tuple[Any, Any, Any]
_NAME: Final = ("run", "use", "recipient")


class Runs:
    """Counts the outcomes of each run, as many runs as there are."""

    def __init__(self) -> None:
        """Begin before the first."""
        self._runs: dict[_Name, _Run] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Count some outcomes."""
        named = batch.filter(pc.is_valid(batch["run"]))
        begins = pc.equal(named["position"], 0).cast(pa.int64())
        table = pa.Table.from_batches([named.append_column("begins", begins)])
        counted = [("begins", "sum"), ("begins", "count")]
        instants = [("answered_at", "min"), ("answered_at", "max")]
        for row in (
            table.group_by([*_NAME, "about", "reason"]).aggregate([*counted, *instants]).to_pylist()
        ):
            self._count(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        first, last = row["answered_at_min"], row["answered_at_max"]
        run = self._runs.setdefault(_name(row), _Run(first, last))
        run.first, run.last = min(run.first, first), max(run.last, last)
        run.decisions += row["begins_sum"]
        for counts, key in ((run.about, row["about"]), (run.reasons, row["reason"])):
            counts[key] = counts.get(key, 0) + row["begins_count"]

    def rows(self) -> dict[_Name, Row]:
        """Return the rows that there have to be of these decisions."""
        return {name: _row_of(run) for name, run in self._runs.items()}


def _row_of(run: _Run) -> Row:
    return {
        "first_answered_at": run.first,
        "last_answered_at": run.last,
        "decisions": run.decisions,
        "content": run.about.get("content", 0),
        "artists": run.about.get("artists", 0),
        **_counted(run.reasons),
    }


def _counted(reasons: Mapping[str, int]) -> Row:
    permitted = sum(number for reason, number in reasons.items() if reason in PERMITS)
    denied = sum(reasons.values()) - permitted
    return {"permitted": permitted, "denied": denied, "reasons": dict(reasons)}


class RunRows:
    """Takes the rows of `runs`."""

    def __init__(self, made: Mapping[_Name, Row] | None, findings: Findings) -> None:
        """Take what decisions come to, if those beside it are the same ones."""
        self._made = None if made is None else dict(made)
        self._findings = findings

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold some rows against themselves, and against the decisions."""
        for row in batch.to_pylist():
            row["reasons"] = msgspec.json.decode(row["reasons"], type=dict[str, int])
            self._hold_itself(row)
            if self._made is None:
                continue
            made = self._made.pop(_name(row), None)
            if made is None:
                self._add(What.ROW_EXTRA, _name(row), "no decision names this run")
            else:
                self._differ(row, made, "not what its decisions come to")

    def end(self) -> None:
        """Find runs that are not there."""
        for name in self._made or ():
            self._add(What.ROW_MISSING, name, "decisions name this run, and it is not there")

    def _hold_itself(self, row: Row) -> None:
        counted = _counted(row["reasons"])
        self._differ(row, counted, "not what its reasons come to")
        if row["content"] + row["artists"] != counted["permitted"] + counted["denied"]:
            says = "content, artists: not what its reasons come to"
            self._add(What.ROW_DIFFERS, _name(row), says)

    def _differ(self, row: Row, made: Row, says: str) -> None:
        differ = ", ".join(name for name, value in made.items() if row[name] != value)
        if differ:
            self._add(What.ROW_DIFFERS, _name(row), f"{differ}: {says}")

    def _add(self, what: What, name: Iterable[Any], says: str) -> None:
        pairs = zip(_NAME, name, strict=True)
        named = " ".join(f"{column}={value}" for column, value in pairs)
        self._findings.add(what, None, f"runs {named}", says)


def _name(row: Mapping[str, Any]) -> _Name:
    return row["run"], row["use"], row["recipient"]
