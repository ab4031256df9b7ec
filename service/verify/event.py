"""One event, from its bytes up: what it says, what lies beside it, what is private in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec

from service.domain.merkle import leaf_hash
from service.verify.few import Few
from service.verify.finding import Findings, What
from service.verify.leaf import Leaf, instant, read_leaf
from service.verify.private import ArtistKeys, Broken

NO_KEY: Final = "private parts: no key encryption key was given"

ERASED: Final = "private parts of erased artists"

DELEGATE_ERASED: Final = "private parts that may have named an erased delegate"

_NAMES_ANOTHER: Final = frozenset({"delegate.granted", "delegate.revoked"})

BULK: Final = frozenset({"artists.registered", "content.put", "notice.delivered"})
"""Kinds whose rows lie beside them, with their number and digest in the leaf."""

PRIVATE: Final = frozenset(
    {"delegate.granted", "delegate.revoked", "consent.recorded", "hold.placed", "hold.lifted"}
)
"""Kinds of which the leaf has a commitment only."""

Stored: TypeAlias = Mapping[str, Any]
"""What the database has of one event: see `ranges.EVENTS`."""

_ROWS: Final = msgspec.json.Decoder(list[dict[str, Any]])
_DETAILS: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Event:
    """An event that can be read. `rows` are a bulk event's, `details` what it keeps private.

    `details` is None where there is none, or where it cannot or must not be read any more.
    """

    revision: int
    at: int
    kind: str
    leaf: Leaf
    rows: list[dict[str, Any]]
    details: dict[str, Any] | None

    @property
    def subject(self) -> str:
        """The artist whom it is about."""
        return str(self.leaf.get("subject"))


class EventReader:
    """Reads events in order and holds each against what lies beside it."""

    def __init__(self, few: Few, keys: ArtistKeys | None, findings: Findings) -> None:
        """Take what is known of few events, and keys where private parts shall be looked at."""
        self._few = few
        self._keys = keys
        self._findings = findings
        self.last_at: int | None = None
        """The time of the last event that was read."""

    def read(self, stored: Stored, body: bytes | None) -> Event | None:
        """Return an event, or None where its bytes say nothing that can be held against tables."""
        revision, data = stored["revision"], stored["leaf"]
        self._findings.looked["events"] += 1
        if leaf_hash(data) != stored["leaf_hash"]:
            self._add(What.EVENT_ALTERED, revision, "its bytes have not the hash stored with them")
        try:
            leaf = read_leaf(data)
            at = instant(leaf["at"])
        except ValueError as error:
            self._add(What.EVENT_UNREADABLE, revision, str(error))
            return None
        self._columns(revision, stored, leaf["type"], at)
        rows = self._rows(revision, leaf, body)
        details = self._private(revision, leaf, stored)
        return Event(revision, at, leaf["type"], leaf, rows, details)

    def _columns(self, revision: int, stored: Stored, kind: str, at: int) -> None:
        if stored["kind"] != kind:
            self._add(What.ROW_DIFFERS, revision, f"its column kind is not {kind}")
        if stored["recorded_at"] != at:
            self._add(What.ROW_DIFFERS, revision, "its column recorded_at is not its time")
        if self.last_at is not None and at <= self.last_at:
            self._add(What.EVENT_OUT_OF_TIME, revision, "it is not later than the one before it")
        self.last_at = at

    def _rows(self, revision: int, leaf: Leaf, body: bytes | None) -> list[dict[str, Any]]:
        """Return a bulk event's rows, if they are the ones that its leaf has the digest of."""
        if (leaf["type"] in BULK) != ("digest" in leaf):
            self._add(What.EVENT_UNREADABLE, revision, "it lacks the digest of a batch, or has one")
        found = None if body is None else sha256(body).hexdigest()
        if found != leaf.get("digest"):
            says = "its batch is not the one that its leaf has the digest of"
            self._findings.add(What.BATCH_ALTERED, revision, f"ledger_batches {revision}", says)
            return []
        if body is None:
            return []
        try:
            rows = _ROWS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = []
        if len(rows) != leaf.get("count"):
            self._add(What.EVENT_UNREADABLE, revision, "its batch has another number of rows")
        self._findings.looked["rows of batches"] += len(rows)
        return rows

    def _private(self, revision: int, leaf: Leaf, stored: Stored) -> dict[str, Any] | None:
        commitment, ciphertext = leaf.get("commitment"), stored["ciphertext"]
        if (leaf["type"] in PRIVATE) != (commitment is not None):
            self._add(What.EVENT_UNREADABLE, revision, "it lacks a commitment, or has one")
        if commitment is None:
            if ciphertext is not None:
                self._beside(What.ROW_EXTRA, revision, "its leaf commits to nothing private")
            return None
        subject = leaf["subject"]
        if self._few.erased_after(subject, revision):
            self._hold_erased(revision, stored)
            return None
        if subject in self._few.erased:
            self._against(revision, "an erased artist can say nothing any more")
        if ciphertext is None and self._may_name_an_erased(leaf["type"], revision):
            self._findings.looked[DELEGATE_ERASED] += 1
            return None
        if ciphertext is None or stored["subject"] != subject:
            self._beside(What.PRIVATE_MISSING, revision, "it is gone, though nobody was erased")
            return None
        if stored["wrapped_key"] is None:
            says = f"the artist's key is gone, though nobody was erased: {subject}"
            self._findings.add(What.PRIVATE_MISSING, revision, "private.subjects", says)
            return None
        return self._opened(revision, leaf, stored)

    def _may_name_an_erased(self, kind: str, revision: int) -> bool:
        """Erasing a delegate destroys what earlier events of others say of them."""
        return kind in _NAMES_ANOTHER and self._few.last_erased > revision

    def _hold_erased(self, revision: int, stored: Stored) -> None:
        """An erased artist's private part is gone, and so is the key that could open a copy."""
        self._findings.looked[ERASED] += 1
        if stored["ciphertext"] is not None:
            self._beside(What.NOT_ERASED, revision, "its artist was erased, and it is still there")
        if stored["wrapped_key"] is not None:
            says = "its artist was erased, and their key is still there"
            self._findings.add(What.NOT_ERASED, revision, "private.subjects", says)

    def _opened(self, revision: int, leaf: Leaf, stored: Stored) -> dict[str, Any] | None:
        if self._keys is None:
            self._findings.could_not_see(NO_KEY)
            return None
        try:
            opened = self._keys.open(
                stored["wrapped_key"],
                bytes.fromhex(leaf["nonce"]),
                revision,
                leaf["commitment"],
                stored["ciphertext"],
            )
            details = _DETAILS.decode(opened)
        except (Broken, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._beside(What.PRIVATE_ALTERED, revision, str(error))
            return None
        self._findings.looked["private parts"] += 1
        return details

    def _add(self, what: What, revision: int, says: str) -> None:
        self._findings.add(what, revision, f"ledger {revision}", says)

    def _beside(self, what: What, revision: int, says: str) -> None:
        self._findings.add(what, revision, f"private.event_details {revision}", says)

    def _against(self, revision: int, says: str) -> None:
        self._add(What.AGAINST_THE_RULES, revision, says)
