"""Processes of our own that run beside a service, and give way to whoever answers checks.

    beside = Beside.module(settings.environment("database_url"), "service.cli.snapshot")
    status, said = await beside.run()

All of them, however many are at work, share one processor. Run as a program (`python -m
service.beside MODULE ...`) this gives way and then runs a module: importing one is work as well.
"""

import asyncio
import contextlib
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_NICENESS: Final = 10
_KILLED_FIRST: Final = b"1000"
_OF_POSTGRESQL: Final = b"postgres:"
_LAST_WORDS: Final = 2_000
_STOPPING: Final = 5


@dataclass(frozen=True, slots=True)
class Beside:
    """A command, and the whole environment it runs in."""

    environment: Mapping[str, str]
    command: Sequence[str]

    @classmethod
    def of(cls, told: Mapping[str, str], command: Sequence[str]) -> Self:
        """Return a command that is told these variables; all others are as they are for us."""
        return cls({**os.environ, **told}, command)

    @classmethod
    def module(cls, told: Mapping[str, str], name: str) -> Self:
        """Return a module of ours as a program that gives way before it is imported."""
        return cls.of(told, (sys.executable, "-m", "service.beside", name))

    async def run(self) -> tuple[int, str]:
        """Run it; return its exit status and its last words. It ends with whoever waits for it."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a ^C is ours to pass on
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            await _stop(process)
            raise
        said = output.decode(errors="replace").strip()[-_LAST_WORDS:]
        return process.returncode or 0, said


def give_way() -> None:
    """Let whoever answers checks go first, and this process go where memory runs out.

    It keeps to the last of the processors that it may use, and leaves all others alone. Doing it
    twice is doing it once.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_bytes(_KILLED_FIRST)
    if hasattr(os, "sched_setaffinity"):  # nor this
        with contextlib.suppress(OSError):  # some forbid it
            os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])


def bring_along(backend: int, port: int) -> None:
    """Let the process of PostgreSQL that serves a connection of ours give way as this one does.

    The two take turns: wandering from processor to processor they are in everybody's way. `backend`
    is its number, `port` the port that our end of the connection has: a process that does not say
    that it serves it is left alone, be it on this machine or not, and so is one that is not ours to
    tell.
    """
    with contextlib.suppress(OSError):
        title = Path(f"/proc/{backend}/cmdline").read_bytes()
        if title.startswith(_OF_POSTGRESQL) and f"({port})".encode() in title:
            os.setpriority(os.PRIO_PROCESS, backend, os.getpriority(os.PRIO_PROCESS, 0))
            os.sched_setaffinity(backend, os.sched_getaffinity(0))


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(_STOPPING):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    give_way()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
