"""Clocks that jump by days in the middle of it: nobody is told twice, and no window is shorter."""

from typing import Final

import pytest

from service.domain.instant import DAY, SECOND, Duration
from service.ledger.head import HeadReader
from service.ledger.ledger_clock import ClocksDisagree
from service.notices.batches import LEASE
from tests.notices.channels.listening import answer
from tests.notices.office import Office, many, times
from tests.notices.test_reminders import reminded

JUMP: Final = 3 * DAY
RETRY: Final = 10 * SECOND
JUMPS: Final = {
    "the ledger's, ahead": (JUMP, 0),
    "the ledger's, back": (-JUMP, 0),
    "the machine's, ahead": (0, JUMP),
    "the machine's, back": (0, -JUMP),
    "both, ahead": (JUMP, JUMP),
    "both, back": (-JUMP, -JUMP),
}
JUMPING: Final = pytest.mark.parametrize(
    ("ledger", "machine"), [pytest.param(*jump, id=name) for name, jump in JUMPS.items()]
)


async def jump(office: Office, ledger: Duration, machine: Duration) -> None:
    """Let wall clocks jump; the machine's steady one knows nothing of it."""
    office.clock.now_us += machine
    await office.pass_time(ledger, of_the_machine=False)


async def windows(office: Office) -> set[Duration]:
    """Return how long the windows are that have been opened."""
    rows = await office.connection.fetch("SELECT closes_at - delivered_at AS long FROM deliveries")
    return {round(row["long"].total_seconds() * SECOND) for row in rows}


@JUMPING
async def test_a_jump_while_a_notice_is_sent(office: Office, ledger: int, machine: int) -> None:
    """Nothing is sent and no window opens by a wrong time; when it is right again, all goes on."""
    artists = many(450)
    await office.register(*artists)
    notice = await office.publish()
    office.listener.answers = [answer("200 OK"), answer("500 Broken"), answer("200 OK")]
    worker = await office.work()
    calls = len(office.calls())
    assert calls == 3

    await jump(office, ledger, machine)
    await worker.plan()
    await worker.send()
    assert len(office.calls()) == calls
    with pytest.raises(ClocksDisagree):
        await office.deliver(notice, *artists)

    await jump(office, -ledger, -machine)
    await office.pass_time(RETRY)
    await worker.plan()
    await worker.send()
    assert office.told() == times(artists)
    await office.deliver(notice, *artists)
    assert await windows(office) == {30 * DAY}
    assert set((await office.sends()).values()) == {"handed_over"}


@JUMPING
async def test_a_jump_while_windows_are_recalled(office: Office, ledger: int, machine: int) -> None:
    """Nobody is recalled by a wrong time, neither too early nor a second time."""
    await office.register("ana", "ben")
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, "ana")
    await office.pass_time(2 * DAY)
    await office.deliver(notice, "ben")
    for days, expected in ((20, []), (1, [(1, ["ana"])]), (2, [(1, ["ana"]), (1, ["ben"])])):
        await office.pass_time(days * DAY + SECOND)
        before = reminded(office)
        await jump(office, ledger, machine)
        await worker.plan()
        await worker.send()
        assert reminded(office) == before
        await jump(office, -ledger, -machine)
        await worker.plan()
        await worker.send()
        assert reminded(office) == expected


async def test_a_jump_ahead_that_is_believed_after_a_restart(office: Office) -> None:
    """What was put off or held by the old time is due by the new one; nobody is told twice."""
    artists = many(450)
    await office.register(*artists)
    await office.publish()
    office.listener.answers = [answer("500 Broken"), answer("200 OK")]
    await office.work()
    await office.connection.execute(
        "UPDATE send_batches SET leased_until = due_at + $1 * interval '1 us'"
        " WHERE due_at IS NOT NULL",
        LEASE,
    )
    await jump(office, JUMP, JUMP)
    office.heads = HeadReader(office.url, office.clock, timeout=5, max_disagreement=SECOND)
    try:
        await office.work()
    finally:
        await office.heads.close()
    assert office.told() == times(artists)
    assert len(dict(office.calls())) == 3
