"""The state that a sheet shows, from the history, is the one that a yes is held against."""

import random
from collections.abc import Sequence

import asyncpg
import pytest

from service.consents.precondition import SettingsState, state_of
from service.db.engine import Database
from service.decisions.compiled.spelling import Hashing
from service.decisions.index import Index
from service.ledger.read import tail
from service.settings_page.build import history_state, settled
from tests.ledger.playing import play, playable
from tests.ledger.stopped_clock import stop_clock
from tests.ledger.writing import appending, vault

HISTORIES = 4


async def shown_and_held(url: str) -> tuple[SettingsState, SettingsState]:
    """Return the state of everybody's settings by the ledger's events, and by the tables."""
    connection = await asyncpg.connect(url)
    index = Index(Hashing(bytes(32)))
    while events := await tail(connection, vault(), index.revision, limit=500):
        for event in events:
            index.take(event, {})
    await connection.close()
    subjects: Sequence[str] = list(index.history.artists)
    async with Database(url) as database, database.read() as session:
        held = await state_of(session, subjects)
    return settled(history_state(index.history, subjects), held), held


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_both_agree_after_any_history(database_url: str, seed: int) -> None:
    """Versions, deliveries reported again or late, statements: nobody's yes is refused for ever."""
    history = playable(random.Random(seed), size=60)
    await stop_clock(database_url)
    async with appending(database_url) as appender:
        await play(database_url, appender, history)
    shown, held = await shown_and_held(database_url)
    assert shown == held
    assert held.published > 0
    assert any(one.said and one.told_at for one in held.artists.values())
