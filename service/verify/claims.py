"""Checkpoints and cosignatures as they are stored: who signed them, and what they claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.verify.connecting import Connection
from service.verify.finding import Findings, What
from service.verify.notes import (
    OF_A_LOG,
    OF_A_WITNESS,
    Claim,
    Key,
    Unreadable,
    is_by,
    read_claim,
    read_line,
    read_note,
    signers,
)

NO_LOG_KEY: Final = "signatures of checkpoints: no key of the log was given"
OTHER_LOG: Final = "checkpoints under another name: no key of that log was given"
NO_WITNESS_KEY: Final = "cosignatures: no key of their witness was given"

_CHECKPOINTS: Final = """
SELECT size, origin, coalesce(note, '') AS note FROM ledger_checkpoints
WHERE size > $1 AND size <= $2 ORDER BY size, origin
"""
_COSIGNATURES: Final = """
SELECT s.size, s.origin, s.witness, coalesce(s.line, '') AS line, c.note
FROM ledger_cosignatures s LEFT JOIN ledger_checkpoints c ON c.origin = s.origin AND c.size = s.size
WHERE s.size > $1 AND s.size <= $2 ORDER BY s.size, s.witness
"""
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Placed:
    """A claim and where it was found. `signed` says that one of the log's own keys vouches for it.

    `kept` says that it was kept outside of what is looked at: it is what that is held against.
    """

    claim: Claim
    where: str
    signed: bool
    kept: bool = False


class Claims:
    """Reads what is stored of checkpoints in one range of sizes."""

    def __init__(self, keys: Sequence[Key], findings: Findings) -> None:
        """Take all keys that are trusted, of logs and of witnesses."""
        self._logs = [key for key in keys if key.type == OF_A_LOG]
        self._witnesses = [key for key in keys if key.type == OF_A_WITNESS]
        self._findings = findings

    async def read(self, connection: Connection, after: int, until: int) -> list[Placed]:
        """Return the claims of the checkpoints over more than `after` events, up to `until`."""
        found: list[Placed] = []
        cursor = await connection.cursor(_CHECKPOINTS, after, until)
        while rows := await cursor.fetch(_AT_ONCE):
            found += [one for row in rows if (one := self._claim(row)) is not None]
        cursor = await connection.cursor(_COSIGNATURES, after, until)
        while rows := await cursor.fetch(_AT_ONCE):
            for row in rows:
                self._cosignature(row)
        return found

    def _claim(self, row: Any) -> Placed | None:
        size, where = row["size"], f"ledger_checkpoints origin={row['origin']} size={row['size']}"
        self._findings.saw("checkpoints")
        try:
            note = read_note(row["note"])
            claim = read_claim(note.text)
        except Unreadable as error:
            self._findings.add(What.CHECKPOINT_UNREADABLE, size, where, str(error))
            return None
        if (claim.origin, claim.size) != (row["origin"], size):
            says = f"it is of {claim.origin} over {claim.size} events, and its row says otherwise"
            self._findings.add(What.ROW_DIFFERS, size, where, says)
            return None  # the tree may have passed that size already
        ours = [key for key in self._logs if key.name == claim.origin]
        if not ours and self._logs:
            self._findings.could_not_see(OTHER_LOG)
            return None
        if not ours:
            self._findings.could_not_see(NO_LOG_KEY)
            return Placed(claim, where, signed=False)
        try:
            signed = bool(signers(note, ours))
            says = f"no key of {claim.origin} that is known here has signed it"
        except Unreadable as error:
            signed, says = False, str(error)
        if not signed:
            self._findings.add(What.SIGNATURE_WRONG, size, where, says)
            return None
        return Placed(claim, where, signed=True)

    def _cosignature(self, row: Any) -> None:
        keys = [key for key in self._witnesses if key.name == row["witness"]]
        where = f"ledger_cosignatures origin={row['origin']} size={row['size']} {row['witness']}"
        if not keys:
            self._findings.could_not_see(NO_WITNESS_KEY)
            return
        self._findings.saw("cosignatures")
        try:
            text = read_note(row["note"] or "").text
            line = read_line(row["line"].removesuffix("\n"))
        except Unreadable as error:
            self._findings.add(What.CHECKPOINT_UNREADABLE, row["size"], where, str(error))
            return
        if not any(line.key_id == key.id and is_by(key, text, line) for key in keys):
            says = "it is no cosignature of this checkpoint by this witness"
            self._findings.add(What.SIGNATURE_WRONG, row["size"], where, says)
