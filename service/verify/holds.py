"""Legal holds: rows that two events add up to, and whose reasons are private."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from service.verify.connecting import Connection, has_table
from service.verify.event import Event
from service.verify.few import Few
from service.verify.finding import Findings, What

_TABLE: Final = "private.legal_holds"
_ROWS: Final = """
SELECT revision, subject, reason, placed_by, placed_at, lifted_by, lifted_at, lifted_revision
FROM private.legal_holds ORDER BY revision
"""
_COLUMNS: Final = (
    "subject",
    "reason",
    "placed_by",
    "placed_at",
    "lifted_by",
    "lifted_at",
    "lifted_revision",
)


class HoldEvent(NamedTuple):
    """That a hold was placed or lifted; `said` is None where that cannot be read."""

    revision: int
    at: int
    subject: str
    placed: bool
    said: dict[str, Any] | None


def hold_of(event: Event, few: Few) -> HoldEvent | None:
    """Return what an event means to holds, if anything."""
    if event.kind not in {"hold.placed", "hold.lifted"}:
        return None
    if few.erased_after(event.subject, event.revision):
        return None
    placed = event.kind == "hold.placed"
    return HoldEvent(event.revision, event.at, event.subject, placed, event.details)


class Holds:
    """Adds them up, in order, and holds the rows against what they come to."""

    def __init__(self, findings: Findings) -> None:
        """Begin before the first event."""
        self._findings = findings
        self._rows: dict[int, list[Any]] = {}
        self._unread = False

    def take(self, events: Iterable[HoldEvent]) -> None:
        """Add what happened next. Where it cannot be read, only what is public is compared."""
        for event in events:
            said = event.said or {}
            self._unread |= event.said is None
            if event.placed:
                self._rows[event.revision] = [
                    event.subject,
                    said.get("reason"),
                    said.get("actor"),
                    event.at,
                    None,
                    None,
                    None,
                ]
            elif said.get("hold") in self._rows:
                self._rows[said["hold"]][-3:] = [said.get("actor"), event.at, event.revision]
            elif event.said is not None:
                says = "it lifts a hold that nobody placed"
                named = f"ledger {event.revision}"
                self._findings.add(What.AGAINST_THE_RULES, event.revision, named, says)

    async def compare(self, connection: Connection) -> None:
        """Read the table and find what differs."""
        if not await has_table(connection, _TABLE):
            return
        for revision, *stored in await connection.fetch(_ROWS):
            self._findings.saw("rows of legal_holds")
            self._hold(revision, stored, self._rows.pop(revision, None))
        for revision in self._rows:
            says = f"event {revision} made this row, and it is gone"
            self._add(What.ROW_MISSING, revision, says)

    def _hold(self, revision: int, stored: list[Any], made: list[Any] | None) -> None:
        if made is None:
            self._add(What.ROW_EXTRA, revision, "no event made this row")
            return
        pairs = list(zip(_COLUMNS, stored, made, strict=True))
        if self._unread:
            pairs = [pair for pair in pairs if pair[0] in {"subject", "placed_at"}]
        differ = ", ".join(name for name, is_, should in pairs if is_ != should)
        if differ:
            says = f"{differ}: not as event {revision} has it"
            self._add(What.ROW_DIFFERS, revision, says)

    def _add(self, what: What, revision: int, says: str) -> None:
        self._findings.add(what, revision, f"{_TABLE} revision={revision}", says)
