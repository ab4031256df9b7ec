"""Building in a process of its own, which gives way to whoever answers checks.

The service that has taken the export runs `main`, with its settings in the environment. It exits
with 0 when every file is there, with 3 where the export cannot be had (what it prints says why),
with 4 where somebody else has it, and otherwise where something broke.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from service.beside import Beside, bring_along
from service.clock import SystemClock
from service.db.engine import Database
from service.domain.refusal import Refusal, Refused
from service.exports.build import WORK, Workshop, build
from service.exports.jobs import LeaseLost, Taken, taken_again
from service.ledger.vault import Vault
from service.sealing.opened import sealed_log
from service.settings import Settings, read_key
from service.storage.objects import Objects
from service.storage.scratch import working_folder_apart

_REFUSED: Final = 3
_LOST: Final = 4


class ChildFailed(Exception):  # noqa: N818 - names what happened
    """The process that was to build an export ended otherwise; the text is what it said last."""


@dataclass(frozen=True, slots=True)
class Child:
    """The process that builds an export, for a service that has taken one."""

    database: Database
    process: Beside

    @classmethod
    def of(cls, database: Database, settings: Settings) -> Self:
        """Return the one for a service's settings."""
        told = settings.environment(
            "key_encryption_key",
            "exports",
            "sealed_decisions",
            "sealed_cache_dir",
            "sealed_cache_bytes",
        )
        told["DATABASE_URL"] = database.url
        return cls(database, Beside.module(told, "service.exports.child"))

    async def build(self, taken: Taken) -> None:
        """Have an export's files made. Raises LeaseLost, Refused, ChildFailed.

        However the process ends, nothing is left of what it was writing on this machine; where this
        one ends with it, whoever builds the next one there sees to that.
        """
        command = (*self.process.command, taken.export_id, str(taken.fence))
        async with working_folder_apart(Path(tempfile.gettempdir()), WORK) as folder:
            environment = {**self.process.environment, "TMPDIR": str(folder)}
            status, said = await Beside(environment, command).run()
        if status == _LOST:
            raise LeaseLost(taken.export_id)
        if status == _REFUSED:
            raise Refused([Refusal("export", "cannot_be_had", said)])
        if status:
            raise ChildFailed(said or f"it ended with {status}")
        async with self.database.read() as session:
            taken.progress = (await taken_again(session, taken.export_id, taken.fence)).progress


def main(export_id: str, fence: str) -> int:
    """Build one export that the parent has taken; return the exit status."""
    try:
        asyncio.run(_build(Settings(), export_id, int(fence)))
    except LeaseLost:
        return _LOST
    except Refused as refused:
        print(refused)  # noqa: T201 - the parent reads it
        return _REFUSED
    return 0


async def _build(settings: Settings, export_id: str, fence: int) -> None:
    key = settings.key_encryption_key
    vault = Vault(read_key(key.get_secret_value() if key else ""), os.urandom)
    async with Database(settings.database_url or "", pool_size=2) as database:
        async with database.read() as session:
            taken = await taken_again(session, export_id, fence)
        objects, clock = Objects(settings.exports or ""), SystemClock()
        async with sealed_log(settings, clock) as sealed:
            shop = Workshop(database, vault, objects, clock, sealed, bring_along=bring_along)
            await build(shop, taken)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
