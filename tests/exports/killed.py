"""Processes that are killed while an export is built, and where they leave what is in it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from service.db.engine import Database
from service.exports import build as building
from service.exports.child import Child, main
from service.exports.jobs import Taken, taken_again
from service.settings import Settings
from service.storage.objects import Objects
from tests.api.door import KEY
from tests.exports.bundles import Office
from tests.storage.killed import files_with, kill_in_put

HERE: Final = Path(__file__).parents[2]
_RUN: Final = """
import sys
sys.path.insert(0, {here!r})
from tests.exports import killed
getattr(killed, sys.argv[1])(*sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: an office, the folder for its bundles, and the one for what is temporary."""

    office: Office
    kept: Path
    temporary: Path

    def files_with(self, mark: str) -> list[str]:
        """Return the names of all files on it that hold these letters."""
        found = [*files_with(self.kept, mark), *files_with(self.temporary, mark)]
        return [path.name for path in found]

    def child(self, how: str) -> Child:
        """Return the process that builds there, which is killed as a function here does it."""
        return _killed(Child.of(self.office.desk.database, self._settings), how)

    async def serve(self, taken: Taken) -> int:
        """Let the process of a service go on with an export; return its exit status."""
        told = self._settings.environment("database_url", "key_encryption_key", "exports")
        process = await asyncio.create_subprocess_exec(
            *_command("service"), taken.export_id, str(taken.fence), env={**os.environ, **told}
        )
        return await process.wait()

    @property
    def _settings(self) -> Settings:
        url = self.office.door.database_url
        return Settings(database_url=url, key_encryption_key=KEY, exports=str(self.kept))


def _killed(child: Child, *how: str) -> Child:
    return replace(child, process=replace(child.process, command=_command(*how)))


def _command(*how: str) -> Sequence[str]:
    return (sys.executable, "-c", _RUN.format(here=str(HERE)), *how)


def in_put(export_id: str, fence: str) -> None:
    """Build an export, and be killed in the middle of storing its first file."""

    class Large(Objects):
        @override
        async def put(self, name: str, content: Path | bytes) -> None:
            assert isinstance(content, Path)
            await kill_in_put(Objects(self.folder or ""), name, content)

    pytest.MonkeyPatch().setattr("service.exports.child.Objects", Large)
    main(export_id, fence)


def with_service(parent: str, export_id: str, fence: str) -> None:
    """Build an export, and be killed together with the parent before its first file is stored."""

    def kill(*_: object) -> None:
        os.kill(int(parent), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(building, "_entry", kill)
    main(export_id, fence)


def service(export_id: str, fence: str) -> None:
    """Have an export built as a service has, by a process that is killed together with it."""

    async def serve() -> None:
        settings = Settings()
        async with Database(settings.database_url or "") as database:
            async with database.read() as session:
                taken = await taken_again(session, export_id, int(fence))
            child = _killed(Child.of(database, settings), "with_service", str(os.getpid()))
            await child.build(taken)

    asyncio.run(serve())
