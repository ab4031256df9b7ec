"""Delegates: rows that several events of one artist add up to.

Erasing a delegate who was an artist too destroys what others' events say of them, and puts a
reference in the place of their id. Of such a row only its artist and its times can be told.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from service.verify.connecting import Connection
from service.verify.event import Event
from service.verify.few import Few
from service.verify.finding import Findings, What

_KINDS: Final = frozenset({"delegate.granted", "delegate.revoked"})
_KEY: Final = 16
_AT_ONCE: Final = 1_000
_ROWS: Final = """
SELECT subject, delegate, may_opt_in, granted_at, revoked_at, revision FROM delegates
ORDER BY revision
"""


class Deed(NamedTuple):
    """That somebody was let act, or no longer. `key` stands for artist and delegate, briefly.

    It is None where the event cannot be read. `may_opt_in` is None of an end.
    """

    revision: int
    at: int
    subject: str
    granted: bool
    key: bytes | None
    may_opt_in: bool | None


def deed_of(event: Event, few: Few) -> Deed | None:
    """Return what an event means to delegates, if anything. Raises KeyError, TypeError."""
    if event.kind not in _KINDS or few.erased_after(event.subject, event.revision):
        return None
    said, granted = event.details, event.kind == "delegate.granted"
    if said is None:
        return Deed(event.revision, event.at, event.subject, granted, None, None)
    key = _key(event.subject, said["delegate"])
    may_opt_in = bool(said["may_opt_in"]) if granted else None
    return Deed(event.revision, event.at, event.subject, granted, key, may_opt_in)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it should be."""

    may_opt_in: bool | None
    granted_at: int | None
    revoked_at: int | None
    revision: int


_Unread: TypeAlias = dict[str, dict[int, Deed]]


class Delegates:
    """Adds deeds up, in order, and holds the rows against what they come to."""

    def __init__(self, findings: Findings) -> None:
        """Begin before the first event."""
        self._findings = findings
        self._rows: dict[bytes, _Row] = {}
        self._unread: _Unread = defaultdict(dict)

    def take(self, deeds: Iterable[Deed]) -> None:
        """Add what happened next."""
        for deed in deeds:
            if deed.key is None:
                self._unread[deed.subject][deed.revision] = deed
            elif deed.granted:
                self._rows[deed.key] = _Row(deed.may_opt_in, deed.at, None, deed.revision)
            else:
                before = self._rows.get(deed.key, _Row(None, None, None, 0))
                self._rows[deed.key] = _Row(
                    before.may_opt_in, before.granted_at, deed.at, deed.revision
                )

    async def compare(self, connection: Connection, few: Few) -> None:
        """Read the table and find what differs."""
        ends = {at for _, at in few.erased.values()}
        cursor = await connection.cursor(_ROWS)
        while rows := await cursor.fetch(_AT_ONCE):
            self._findings.saw("rows of delegates", len(rows))
            for row in rows:
                self._hold(row, ends)
        last = [(max(deeds), subject) for subject, deeds in self._unread.items() if deeds]
        for revision in sorted(row.revision for row in self._rows.values()):
            self._gone(revision, "delegates")
        for revision, subject in sorted(last):
            self._gone(revision, f"delegates subject={subject}")

    def _hold(self, row: Any, ends: set[int]) -> None:
        subject, revision = row["subject"], row["revision"]
        named = f"delegates subject={subject} revision={revision}"
        stored = _Row(row["may_opt_in"], row["granted_at"], row["revoked_at"], revision)
        made = self._rows.pop(_key(subject, row["delegate"]), None)
        if made is not None:
            if stored != made:
                first = made.revision if revision is None else min(revision, made.revision)
                says = "it is not as events left it"
                self._findings.add(What.ROW_DIFFERS, first, named, says)
            return
        deed = self._unread.get(subject, {}).get(revision)
        if deed is None:
            self._findings.add(What.ROW_EXTRA, revision, named, "no event made this row")
        elif not _is_possible(stored, deed, ends):
            says = "its times are not those of the event that left it"
            self._findings.add(What.ROW_DIFFERS, revision, named, says)
        if deed is not None and revision == max(self._unread[subject]):
            del self._unread[subject]

    def _gone(self, revision: int, named: str) -> None:
        says = f"event {revision} left a row, and it is gone"
        self._findings.add(What.ROW_MISSING, revision, named, says)


def _is_possible(stored: _Row, deed: Deed, ends: set[int]) -> bool:
    """Tell whether an event that cannot be read may have left a row; `ends` are erasures' times."""
    if deed.granted:
        return stored.granted_at == deed.at and (
            stored.revoked_at is None or stored.revoked_at in ends
        )
    return stored.revoked_at == deed.at


def _key(subject: str, delegate: str) -> bytes:
    return sha256(f"{subject}|{delegate}".encode()).digest()[:_KEY]
