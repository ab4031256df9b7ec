"""Asking witnesses to cosign checkpoints (C2SP tlog-witness v1.0.0).

A checkpoint is published without them and never waits: their signatures are added to it as they
come. A witness that knows a longer or another ledger than ours is the loudest alarm there is; where
it can prove that, nothing is signed any more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Self

import asyncpg
import httpx2
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from service.clock import Clock
from service.db.engine import Database
from service.db.tables import LedgerCosignature
from service.ledger.events import LedgerBroken
from service.transparency.checkpoint import Checkpoint, parse_checkpoint, parse_size
from service.transparency.note import (
    BadNote,
    Signature,
    encode64,
    parse_note,
    parse_signatures,
)
from service.transparency.publication import Publication
from service.transparency.remembered import Remembered
from service.transparency.witness_at import WitnessAt, add_checkpoint

_log = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 10
"""How long after which any replica asks for what whoever signed should have asked for."""
_ANOTHER_TREE: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT)
"""What a witness may answer to whoever knows its size: the second is of drafts of the format."""


class Cosigning:
    """Asks every witness for a cosignature of the newest checkpoint, each in its own time."""

    def __init__(
        self,
        database: Database,
        publication: Publication,
        witnesses: Sequence[WitnessAt],
        clock: Clock,
        *,
        http: httpx2.AsyncClient,
        remembered: Remembered,
        on_answer: Callable[[str, str], None] = lambda _witness, _outcome: None,
    ) -> None:
        """Take whom to ask; `on_answer` hears a witness's name and what became of it.

        What speaks against this ledger is kept in `remembered`, with its proof.
        """
        self._database = database
        self._publication = publication
        self._witnesses = tuple(witnesses)
        self._clock = clock
        self._http = http
        self._remembered = remembered
        self._on_answer = on_answer
        self._wakes = [asyncio.Event() for _ in witnesses]
        self._known: dict[WitnessAt, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start asking."""
        self._tasks = [
            asyncio.create_task(self._run(witness, wake), name=f"fermata-cosigning-{number}")
            for number, (witness, wake) in enumerate(zip(self._witnesses, self._wakes, strict=True))
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ask_now(self) -> None:
        """Say that this process has signed a checkpoint."""
        for wake in self._wakes:
            wake.set()

    async def _run(self, witness: WitnessAt, wake: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await wake.wait()
            wake.clear()
            outcome = "failed"
            try:
                outcome = await self._ask(witness)
            except (httpx2.HTTPError, httpx2.InvalidURL, BadNote) as error:
                _log.warning("no cosignature from %s: %s", witness.url, error)
            except (OSError, TimeoutError, asyncpg.PostgresError, DBAPIError) as error:
                _log.warning("no cosignature can be asked for now: %s", error)
            except LedgerBroken as error:
                _log.critical("no proof can be given to %s: %s", witness.url, error)
            if outcome != "known":
                self._on_answer(witness.key.name, outcome)

    async def _ask(self, witness: WitnessAt) -> str:
        """Ask for what is missing; return what became of it."""
        encoded = await self._publication.note()
        if encoded is None:
            return "known"
        note = parse_note(encoded)
        if any(witness.key.verifies(note.text, one) for one in note.signatures):
            return "known"
        checkpoint, alone = parse_checkpoint(note.text), note.text
        log_lines = "".join(one.line() for one in note.signatures if one.name == checkpoint.origin)
        old = await self._cosigned_so_far(witness, checkpoint.origin)
        status, body = await self._post(witness, checkpoint, old, f"{alone}\n{log_lines}")
        if status == HTTPStatus.CONFLICT:
            old = parse_size(body.removesuffix("\n"))
            if old > checkpoint.size:
                return await self._overtaken(witness, old)
            status, body = await self._post(witness, checkpoint, old, f"{alone}\n{log_lines}")
        if status != HTTPStatus.OK:
            return await self._refused(witness, checkpoint, status, body)
        await self._keep(witness, checkpoint, _cosignature(witness, note.text, body))
        self._known[witness] = checkpoint.size
        return "cosigned"

    async def _post(
        self, witness: WitnessAt, checkpoint: Checkpoint, old: int, note: str
    ) -> tuple[int, str]:
        proof = await self._publication.consistency(old, checkpoint.size)
        if proof is None:
            raise LedgerBroken(f"no checkpoint covers a tree of {checkpoint.size} any more")
        lines = "".join(f"{encode64(one)}\n" for one in proof.hashes)
        content = f"old {old}\n{lines}\n{note}".encode()
        return await add_checkpoint(self._http, witness, content)

    async def _cosigned_so_far(self, witness: WitnessAt, origin: str) -> int:
        """Return the size that the witness should know, as far as we know."""
        if witness not in self._known:
            largest = select(func.max(col(LedgerCosignature.size))).where(
                col(LedgerCosignature.origin) == origin,
                col(LedgerCosignature.witness) == witness.key.name,
            )
            async with self._database.read() as session:
                self._known[witness] = (await session.execute(largest)).scalar() or 0
        return self._known[witness]

    async def _overtaken(self, witness: WitnessAt, size: int) -> str:
        """Tell a checkpoint that was signed meanwhile from a ledger that went back."""
        if size > await self._publication.size():
            _log.critical(
                "THE WITNESS AT %s HAS SEEN %s EVENTS OF THIS LEDGER, MORE THAN WERE SIGNED HERE: "
                "this database is an older backup, or another one signs as this log",
                witness.url,
                size,
            )
            await self._remembered.ask(witness)
            return "went_back"
        self._known[witness] = size
        return "known"

    async def _refused(
        self, witness: WitnessAt, checkpoint: Checkpoint, status: int, body: str
    ) -> str:
        level = logging.WARNING
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            level = logging.CRITICAL  # it has seen another ledger of this name
        self._known.pop(witness, None)
        _log.log(
            level,
            "the witness at %s does not cosign the checkpoint of %s events: %s %.200s",
            witness.url,
            checkpoint.size,
            status,
            body.strip(),
        )
        if status in _ANOTHER_TREE:
            await self._remembered.ask(witness)
        return "refused"

    async def _keep(
        self, witness: WitnessAt, checkpoint: Checkpoint, cosignature: Signature
    ) -> None:
        statement = insert(LedgerCosignature).values(
            origin=checkpoint.origin,
            size=checkpoint.size,
            witness=witness.key.name,
            line=cosignature.line(),
            received_at=self._clock.now(),
        )
        async with self._database.keep() as session:
            await session.execute(statement.on_conflict_do_nothing())


def _cosignature(witness: WitnessAt, text: str, lines: str) -> Signature:
    """Return the witness's own among the lines that it answered. Raises BadNote."""
    for one in parse_signatures(lines):
        if witness.key.verifies(text, one):
            return one
    raise BadNote(f"what {witness.url} answered is no cosignature by {witness.key.name}")
