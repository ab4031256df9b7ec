"""The keeper has closed months sealed, by a process of its own, and does no harm."""

import base64
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from service.beside import Beside
from service.domain.instant import DAY
from service.ledger.head import HeadReader
from service.sealing import keeper
from service.sealing.keeper import SealingKeeper, sealing_process
from service.settings import Settings
from tests.decisions.following import HandClock
from tests.decisions.log.deciding import decision
from tests.ledger.writing import KEY, connected
from tests.sealing.months import Months

NOTHING: Final = "nothing to seal: every month that is over by more than a day is sealed"


def saying(words: str, status: int = 0) -> Beside:
    """Return a process that says something and ends."""
    script = f"print({words!r}); raise SystemExit({status})"
    return Beside(dict(os.environ), (sys.executable, "-c", script))


@asynccontextmanager
async def keeping(
    months: Months, process: Beside
) -> AsyncIterator[tuple[SealingKeeper, HandClock]]:
    """Return a keeper that looks when it is told to, and its clock."""
    clock = HandClock()
    heads = HeadReader(months.url, clock, timeout=30, max_disagreement=DAY)
    try:
        yield SealingKeeper(months.url, heads, process, jitter=lambda: 0.0), clock
    finally:
        await heads.close()


async def test_a_closed_month_is_sealed_and_then_left_alone(
    months: Months, caplog: pytest.LogCaptureFixture
) -> None:
    """There is nothing to do before one is closed, nor after it is sealed."""
    async with keeping(months, saying("sealed some")) as (at_work, _):
        assert not await at_work.look()
        await months.record(decision(["a"]))
        with caplog.at_level(logging.INFO):
            assert await at_work.look()
        assert "sealed some" in caplog.text
        await months.seal()
        assert not await at_work.look()


async def test_nothing_is_sealed_by_a_clock_that_is_not_believed(months: Months) -> None:
    """A month would be closed that others still write into."""
    await months.record(decision(["a"]))
    async with keeping(months, saying("never")) as (at_work, clock):
        clock.wall_ahead = 2 * DAY
        assert not await at_work.look()
        clock.wall_ahead = 0
        assert await at_work.look()


async def test_what_fails_is_a_warning_and_tried_again(
    months: Months, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a keeper that goes on looking, until it is stopped."""
    monkeypatch.setattr(keeper, "_SETTLING", 0.0)
    monkeypatch.setattr(keeper, "_LOOKS_EVERY", 0.0)
    await months.record(decision(["a"]))
    async with keeping(months, saying("the bucket is on fire", 1)) as (at_work, _), at_work:
        while caplog.text.count("the bucket is on fire") < 2:
            await at_work.heads.read()
    assert "trying again later" in caplog.text


async def test_the_process_does_what_the_settings_say(months: Months, tmp_path: Path) -> None:
    """It is the command `fermata seal`, with what the service was told."""
    await months.record(decision(["a"]))
    settings = Settings(
        database_url=months.url,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
        sealed_decisions=str(tmp_path / "elsewhere"),
        sealed_cache_dir=tmp_path / "room",
    )
    process = sealing_process(settings)
    async with connected(months.url) as other:
        await other.execute("SELECT pg_advisory_lock(5, 8)")
        status, said = await process.run()
    assert status == keeper.ELSEWHERE
    assert "another process is sealing" in said
    status, said = await process.run()
    assert (status, said.splitlines()[-1]) == (0, "sealed: 2026-03")
    assert len(list((tmp_path / "elsewhere" / "2026-03").iterdir())) == 2
    assert await process.run() == (0, NOTHING)
