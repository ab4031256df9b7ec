"""What runs beside a service gives way, and takes along whoever works for it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from service.beside import Beside

_GIVING_WAY: Final = """
import asyncio, json, os, sys
from service.beside import bring_along, give_way
from service.db.engine import connect, own_port

def told(pid):
    return [os.getpriority(os.PRIO_PROCESS, pid), sorted(os.sched_getaffinity(pid))]

async def main(url, other):
    give_way()
    give_way()
    connection, another = await connect(url), await connect(url)
    backend, ours = connection.get_server_pid(), own_port(connection)
    left_alone = [other, another.get_server_pid()]
    before = [told(one) for one in left_alone]
    bring_along(backend, ours)
    for one in (*left_alone, 2 ** 22 + 1):
        bring_along(one, ours)
    print(json.dumps([told(0), told(backend), [told(one) for one in left_alone] == before]))
    await connection.close()
    await another.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only some systems have this")
async def test_a_module_gives_way_before_anything_of_it_runs(tmp_path: Path) -> None:
    """What is written at its top as well; what it was told after its name is its own."""
    (tmp_path / "heavy.py").write_text(
        "import os, sys\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0)), sys.argv[1:],"
        " __name__)\n"
    )
    told = Beside.module({"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}, "heavy")
    status, said = await Beside(told.environment, (*told.command, "a", "b")).run()
    assert (status, said) == (0, "10 1 ['a', 'b'] __main__")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only some systems have this")
async def test_an_export_and_its_connection_leave_all_processors_but_one(database_url: str) -> None:
    """Both are behind everybody else on it; no other process is touched, of PostgreSQL or not."""
    command = (sys.executable, "-c", _GIVING_WAY, database_url, str(os.getpid()))
    status, said = await Beside(dict(os.environ), command).run()
    assert status == 0, said
    ours, backend, untouched = json.loads(said)
    assert ours == [10, [max(os.sched_getaffinity(0))]]
    assert backend == ours
    assert untouched


async def test_its_last_words_are_heard_and_it_ends_with_whoever_waits(tmp_path: Path) -> None:
    """Whatever it was told, and however it ends."""
    saying = "import os, sys; print(os.environ['A'], file=sys.stderr); sys.exit(3)"
    assert await Beside.of({"A": "b"}, (sys.executable, "-c", saying)).run() == (3, "b")
    begun = tmp_path / "begun"
    process: asyncio.Task[Any] = asyncio.create_task(
        Beside.of({}, ("/bin/sh", "-c", f"echo $$ > {begun}; exec sleep 60")).run()
    )
    async with asyncio.timeout(20):
        while not (begun.exists() and begun.read_text().strip()):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    process.cancel()
    await asyncio.gather(process, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
