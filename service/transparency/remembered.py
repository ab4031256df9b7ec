"""What witnesses remember of this log: memories that no backup of ours takes back.

A checkpoint with a signature of ours is a proof, whoever shows it. Whatever else a witness says is
not believed: a stranger must not be able to stop this service.
"""

import asyncio
import logging
from typing import Final

import httpx2

from service.transparency.checkpoint import Checkpoint
from service.transparency.identity import LogIdentity
from service.transparency.note import BadNote
from service.transparency.witness_at import WitnessAt, newest_checkpoint

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 3
"""How long a witness keeps a service from starting. What it was not asked then shows later: it does
not cosign what does not go on from what it knows."""


class Remembered:
    """Checkpoints that witnesses remember and this log has signed, for the signer to go on from."""

    def __init__(self, identity: LogIdentity, http: httpx2.AsyncClient) -> None:
        """Take who the log is, and what witnesses are asked through."""
        self._identity = identity
        self._http = http
        self._proven: dict[str, Checkpoint] = {}

    async def ask(self, *witnesses: WitnessAt) -> None:
        """Ask what they remember, all of them at once, and wait for some seconds at most.

        The log names those who cannot be asked, or show what this log has not signed.
        """
        await asyncio.gather(*(self._ask_one(one) for one in witnesses))

    def take(self) -> list[tuple[Checkpoint, str]]:
        """Return what was heard since it was last taken, each with the place that it is in."""
        proven, self._proven = self._proven, {}
        return [(checkpoint, where) for where, checkpoint in proven.items()]

    async def _ask_one(self, witness: WitnessAt) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                note = await newest_checkpoint(self._http, witness, self._identity.origin)
            if note is not None:
                where = f"the memory of the witness at {witness.url}"
                self._proven[where] = self._identity.open(note)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, BadNote) as error:
            _log.warning(
                "it is not known what the witness at %s remembers of this log, "
                "and the ledger is not held against it: %s",
                witness.url,
                str(error) or "no answer in time",
            )
