"""Processes that look at ranges of revisions: each is asked for one after the other, and answers.

    async with aclosing(looked_at(jobs, 2, advance)) as ranges:
        async for seen in ranges: ...               # in the order of the jobs

A process is `python -m service.verify.working`. It reads requests from its standard input and
answers on its standard output, in pickles behind their length: how many events it has looked at
since it said so last, and in the end what they amount to. So it imports what it needs and nothing
else, and keys pass through a pipe only.
"""

import asyncio
import contextlib
import pickle
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, BinaryIO, Final

from service.verify.finding import CannotLook
from service.verify.ranges import Range, Seen, look_at

_LENGTH: Final = 8
_GONE: Final = "a process that was looking has gone: was there enough memory?"


async def looked_at(
    jobs: Sequence[Range], processes: int, advance: Callable[[int], None]
) -> AsyncGenerator[Seen]:
    """Yield what ranges amount to, in order, however soon each process is done with its own.

    Raises CannotLook where a process ends before it should; what it said stands in its errors.
    """
    loop = asyncio.get_running_loop()
    answers = [loop.create_future() for _ in jobs]
    waiting = deque(zip(jobs, answers, strict=True))
    tasks = [asyncio.create_task(_employ(waiting, advance)) for _ in range(processes)]
    try:
        for answer in answers:
            done, _ = await asyncio.wait([answer, *tasks], return_when=asyncio.FIRST_COMPLETED)
            while answer not in done:
                _raise_from(done)
                left = [task for task in tasks if not task.done()]
                done, _ = await asyncio.wait([answer, *left], return_when=asyncio.FIRST_COMPLETED)
            yield answer.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _raise_from(done: "set[asyncio.Future[Any]]") -> None:
    for one in done:
        one.result()


async def _employ(
    waiting: "deque[tuple[Range, asyncio.Future[Seen]]]", advance: Callable[[int], None]
) -> None:
    """Have one process do what there is to do, until nothing is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        while waiting:
            job, answer = waiting.popleft()
            answer.set_result(await _ask(process, job, advance))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask(
    process: asyncio.subprocess.Process, job: Range, advance: Callable[[int], None]
) -> Seen:
    if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
        raise CannotLook(_GONE)
    try:
        process.stdin.write(_framed(job))
        await process.stdin.drain()
        while True:
            length = int.from_bytes(await process.stdout.readexactly(_LENGTH), "big")
            said = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - our own
            if not isinstance(said, int):
                break
            advance(said)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise CannotLook(_GONE) from error
    if isinstance(said, Exception):
        raise said
    seen: Seen = said
    return seen


def _framed(value: object) -> bytes:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_LENGTH, "big") + data


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Do what is asked for until nobody asks any more."""

    def tell(value: object) -> None:
        answers.write(_framed(value))
        answers.flush()

    while length := requests.read(_LENGTH):
        job: Range = pickle.loads(requests.read(int.from_bytes(length, "big")))  # noqa: S301
        try:
            tell(asyncio.run(look_at(job, tell)))
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it, whatever it is
            tell(CannotLook(f"the database cannot be read: {str(error) or type(error).__name__}"))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):  # whoever asked has stopped
        main(sys.stdin.buffer, sys.stdout.buffer)
