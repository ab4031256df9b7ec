"""When a replica says that it is not ready: whenever it could not do all that it is there for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from service.decisions.log import DecisionLog
from tests.api.door import Door
from tests.api.people import AUDITING_PIPELINE, AUDITOR, PIPELINE, person
from tests.api.story import RECOMMENDATION, Story
from tests.faults.proxy import Proxy


async def status(door: Door, path: str = "/readyz") -> int:
    """Return what a probe is told."""
    return (await door.ask("GET", path)).status_code


async def stopped(task: asyncio.Task[None] | None) -> None:
    """End a task of the service, as a fault in it would."""
    assert task is not None
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_replica_that_cannot_write_is_not_ready(begun: Story) -> None:
    """Its artists' noes have to go to another one; it is no reason to be restarted."""
    assert await status(begun.door) == 200
    await stopped(begun.door.services.appender._task)
    assert await status(begun.door) == 503
    assert await status(begun.door, "/livez") == 200
    body = {"answer": "opt_out", "use": "*", "channel": "email"}
    path = "/v1/artists/ana/consents"
    response = await begun.door.ask("POST", path, body, by=person("ana"))
    assert response.status_code == 503


async def test_a_replica_whose_log_has_stopped_is_not_ready(begun: Story) -> None:
    """It answers no check, since none would be logged."""
    await stopped(begun.door.services.log._short._task)
    body = {"use": RECOMMENDATION, "content": ["song"]}
    assert (await begun.door.ask("POST", "/v1/checks", body, by=PIPELINE)).status_code == 503
    assert await status(begun.door) == 503
    assert await status(begun.door, "/livez") == 200


@pytest.fixture
async def proxied(begun: Story) -> AsyncIterator[tuple[Proxy, DecisionLog]]:
    """Let the log alone reach its database through a proxy; a decision has been logged there."""
    log = begun.door.services.log
    async with Proxy(begun.door.database_url) as proxy:
        direct(log, proxy.url)
        await begun.check(RECOMMENDATION, "song")
        yield proxy, log
        proxy.release()
        direct(log, begun.door.database_url)


def direct(log: DecisionLog, url: str) -> None:
    """Let the log go on over new connections to this address."""
    log._url = url
    for lane in (log._short, log._long):
        lane._disconnect()
        lane._url = url


async def test_a_replica_that_cannot_log_is_not_ready(
    begun: Story, proxied: tuple[Proxy, DecisionLog]
) -> None:
    """For as long as the log's database cannot be reached, and no longer."""
    proxy, _ = proxied
    assert await status(begun.door) == 200
    await proxy.shut()
    for _ in range(3):
        assert await status(begun.door) == 503
        assert await status(begun.door, "/livez") == 200
    proxy.retarget(begun.door.database_url)
    assert await status(begun.door) == 200
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


async def test_a_log_that_does_not_answer_is_not_waited_for_long(
    begun: Story, proxied: tuple[Proxy, DecisionLog]
) -> None:
    """The probe has its own limit of time."""
    proxy, log = proxied
    log._timeout = 0.05
    proxy.stall()
    assert await status(begun.door) == 503
    log._timeout = 10
    proxy.release()
    assert await status(begun.door) == 200


async def test_a_probe_breaks_no_check(begun: Story) -> None:
    """Probes that arrive among checks are answered, and so is every check."""
    probes = [status(begun.door) for _ in range(10)]
    checks = [begun.reasons(RECOMMENDATION, "song") for _ in range(30)]
    answers = await asyncio.gather(*probes, *checks)
    assert answers == [200] * 10 + [["window_closed"]] * 30


async def test_another_instant_takes_the_audit_scope_and_no_other(begun: Story) -> None:
    """An auditor asks about any instant, a pipeline about none but now."""
    now = (await begun.check(RECOMMENDATION, "song"))["evaluated_at"]
    for at in (now, "2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"):
        body = {"use": RECOMMENDATION, "content": ["song"], "at": at}
        for by, expected in ((AUDITOR, 200), (AUDITING_PIPELINE, 200), (PIPELINE, 403)):
            response = await begun.door.ask("POST", "/v1/checks", body, by=by)
            assert response.status_code == expected
