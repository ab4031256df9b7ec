"""Tables that grow with the ledger: what each event has to have made in them, row for row.

A row that follows from an event has that event's revision, so events and rows are read side by side
in one order, and no more than a part of either is ever in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from service.verify.event import Event
from service.verify.few import Few, Shown
from service.verify.finding import Findings, What
from service.verify.leaf import instant, stored_json

Key: TypeAlias = tuple[Any, ...]
Values: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Mapping[Key, Values]


@dataclass(frozen=True, slots=True)
class Made:
    """A table whose rows follow from events of one kind.

    `made` returns the rows that an event makes; it may raise KeyError, TypeError or ValueError for
    one that makes no sense. `read` turns stored values into what can be compared. `only_newest`
    says that a later event takes an earlier one's rows away.
    """

    name: str
    kind: str
    keys: Sequence[str]
    values: Sequence[str]
    made: Callable[[Event], Rows]
    read: Callable[[Values], Values] = tuple
    only_newest: bool = False

    def select(self) -> str:
        """Return the statement that reads its rows in order, between two revisions."""
        columns = ", ".join(_COMPUTED.get(name, name) for name in (*self.keys, *self.values))
        return (
            f"SELECT revision, {columns} FROM {self.name} "  # noqa: S608 - names of ours
            "WHERE revision > $1 AND revision <= $2 ORDER BY revision"
        )

    def split(self, row: Sequence[Any]) -> tuple[Key, Values]:
        """Return a row of that statement as key and values."""
        beyond = 1 + len(self.keys)
        return tuple(row[1:beyond]), self.read(tuple(row[beyond:]))


_COMPUTED: Final = {
    "is_named": "(artist_id IS NOT NULL OR erased_at IS NOT NULL AND name IS NOT NULL) AS is_named"
}


def tables(few: Few, *, sees: bool, findings: Findings) -> list[Made]:
    """Return all of them; `sees` says whether private parts are read."""
    said = Said(few, sees=sees, findings=findings)
    return [
        Made(
            "artists",
            "artists.registered",
            ("subject",),
            ("registered_at", "erased_at", "is_named"),
            partial(_artists, few),
        ),
        Made(
            "content_history",
            "content.put",
            ("content_id",),
            ("status", "rightsholders", "put_at"),
            _content_then,
        ),
        Made(
            "content",
            "content.put",
            ("content_id",),
            ("status", "rightsholders", "put_at", "isrc"),
            _content_now,
            only_newest=True,
        ),
        Made(
            "deliveries",
            "notice.delivered",
            ("notice_id", "subject"),
            ("channel", "delivered_at", "closes_at"),
            partial(_deliveries, few),
        ),
        Made(
            "bounces",
            "notice.delivered",
            ("notice_id", "subject"),
            ("channel", "bounced_at"),
            _bounces,
        ),
        Made("consents", "consent.recorded", ("subject",), SAID, said.made, said.read),
    ]


def _artists(few: Few, event: Event) -> Rows:
    """Of an erased artist the row is there still, and all that names them is gone."""
    rows: dict[Key, Values] = {}
    for row in event.rows:
        erased = few.erased.get(row["subject"])
        rows[(row["subject"],)] = (event.at, None if erased is None else erased[1], erased is None)
    return rows


def _content_then(event: Event) -> Rows:
    return {
        (row["content"],): (row["status"], row["rightsholders"], event.at) for row in event.rows
    }


def _content_now(event: Event) -> Rows:
    return {
        (row["content"],): (row["status"], row["rightsholders"], event.at, row["isrc"])
        for row in event.rows
    }


def _deliveries(few: Few, event: Event) -> Rows:
    """The first confirmed delivery begins the window, at the event's own time (R6)."""
    use, number = event.leaf["use"], event.leaf["version"]
    version = few.version(use, number, event.revision)
    if version is None:
        raise ValueError(f"version {number} of {use} was not published by then")
    closes_at = event.at + version.notice_period
    return {
        (f"{use}:{number}", row["subject"]): (row["channel"], event.at, closes_at)
        for row in event.rows
        if row["outcome"] == "delivered"
    }


def _bounces(event: Event) -> Rows:
    notice = f"{event.leaf['use']}:{event.leaf['version']}"
    return {
        (notice, row["subject"]): (row["channel"], event.at)
        for row in event.rows
        if row["outcome"] == "bounced"
    }


SAID: Final = (
    "recorded_at",
    "answer",
    "use",
    "content",
    "recipient",
    "expires_at",
    "actor",
    "acting_as",
    "channel",
    "locale",
    "shown",
)
_UNSEEN: Final = (None,) * (len(SAID) - 1)
"""What nobody can say of a record without a key."""


class Said:
    """What artists said, with how it is known. Rows of erased artists are gone.

    Without the key, only whose a record is and when it was is held against the ledger.
    """

    def __init__(self, few: Few, *, sees: bool, findings: Findings) -> None:
        """Take the policies, and whether private parts are read."""
        self._few = few
        self._shown = Shown(few)
        self._sees = sees
        self._findings = findings

    def made(self, event: Event) -> Rows:
        """Return the one row of a statement; none where its artist was erased."""
        if self._few.erased_after(event.subject, event.revision):
            return {}
        said = event.details
        if said is None:
            return {(event.subject,): (event.at, *_UNSEEN)}
        expires_at = None if said["expires_at"] is None else instant(said["expires_at"])
        evidence = said["evidence"]
        self._hold_against_the_rules(event, said, expires_at)
        row = (
            event.at,
            said["answer"],
            said["use"],
            said["content"],
            said["recipient"],
            expires_at,
            evidence["actor"],
            evidence["acting_as"],
            evidence["channel"],
            evidence["locale"],
            {"names": evidence["names"], "shown": evidence["shown"]},
        )
        return {(event.subject,): row}

    def read(self, values: Values) -> Values:
        """Return what can be compared of a stored row."""
        if not self._sees:
            return (values[0], *_UNSEEN)
        return (*values[:-1], stored_json(values[-1]))

    def _hold_against_the_rules(
        self, event: Event, said: Mapping[str, Any], expires_at: int | None
    ) -> None:
        """A record names the latest versions; a yes answers a question, and ends later (R4)."""
        revision, use = event.revision, said["use"]
        if said["evidence"]["names"] != self._shown.names(revision, use):
            self._against(revision, "it names other versions than the latest of then (R4)")
        if said["answer"] != "opt_in":
            if expires_at is not None:
                self._against(revision, "only a yes expires (R4)")
            return
        if not self._shown.asks(revision, use, said["recipient"]):
            self._against(revision, "it says yes where nobody was asked (R4)")
        if expires_at is not None and expires_at <= event.at:
            self._against(revision, "it had expired before it was said (R4)")

    def _against(self, revision: int, says: str) -> None:
        self._findings.add(What.AGAINST_THE_RULES, revision, f"ledger {revision}", says)


def compare(table: Made, revision: int, made: Rows, stored: Rows, findings: Findings) -> list[Key]:
    """Find what differs between rows as they should be and as they are; return what is missing."""
    if made == stored:
        return []
    for key in stored.keys() - made.keys():
        findings.add(
            What.ROW_EXTRA, revision, where(table.name, table.keys, key), "no event made this row"
        )
    for key in stored.keys() & made.keys():
        if stored[key] != made[key]:
            pairs = zip(table.values, stored[key], made[key], strict=True)
            columns = ", ".join(name for name, is_, should in pairs if is_ != should)
            findings.add(
                What.ROW_DIFFERS,
                revision,
                where(table.name, table.keys, key),
                f"{columns}: not as event {revision} has it",
            )
    return [] if table.only_newest else sorted(made.keys() - stored.keys())


def where(table: str, columns: Sequence[str], key: Key) -> str:
    """Return how a row is named to people."""
    return f"{table} " + " ".join(
        f"{column}={value}" for column, value in zip(columns, key, strict=True)
    )
