"""Sending: whatever breaks in between, everybody is told once and nothing is lost."""

import asyncio
import contextlib

import pytest
from sqlalchemy.exc import DBAPIError

from service.domain.instant import DAY, SECOND
from service.domain.policy import Mode
from service.ledger.ledger_clock import ClocksDisagree
from service.notices.batches import (
    FURTHEST,
    LEASE,
    Batch,
    NotNow,
    Result,
    keep_lease,
    settle,
    take,
)
from service.notices.channels.channel import Fate
from service.notices.channels.retries import SCHEDULE
from service.notices.reach import ChannelName
from service.notices.worker import pause_after
from tests.notices.channels.listening import answer
from tests.notices.office import Office, mailing, many, times

LONG_ENOUGH = DAY + DAY // 2  # for any pause of the schedule, jitter included


async def kill(worker_sends: asyncio.Task[None]) -> None:
    """End a worker as abruptly as a test can."""
    worker_sends.cancel()
    await asyncio.gather(worker_sends, return_exceptions=True)


class Stuck:
    """An answer that does not come before the test lets it."""

    def __init__(self, status: str = "200 OK") -> None:
        """Hold everybody up, and answer this in the end."""
        self._status = status
        self.reached = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        """Take the request in, and then wait."""
        self.reached.set()
        with contextlib.suppress(asyncio.CancelledError):  # the server is closed meanwhile
            await self.may_go_on.wait()
            writer.write(answer(self._status))
            await writer.drain()


async def test_what_a_killed_worker_had_under_way_is_told_again_as_the_same(
    office: Office,
) -> None:
    """Killed after the platform had it and before that was recorded: the same message comes twice.

    It has the same id and names the same artists in the same order, so the platform takes it for
    what it is, even though some have confirmed it meanwhile.
    """
    artists = many(450)
    await office.register(*artists)
    notice = await office.publish()
    stuck = Stuck()
    office.listener.answers = [stuck]
    killed = office.worker()
    await killed.plan()
    sending = asyncio.create_task(killed.send())
    await stuck.reached.wait()
    await killed._sender.stop(0)
    await kill(sending)
    office.listener.answers = [answer("200 OK")]
    before = dict(office.calls())
    await office.deliver(notice, *next(iter(before.values()))[:5])
    await office.work()
    await office.pass_time(LEASE + SECOND)
    await office.work()
    assert office.told() == times(artists)
    again = [(message, named) for message, named in office.calls() if message in before]
    assert len(again) == 2 * len(before)
    assert all(named == before[message] for message, named in again)
    assert set((await office.sends()).values()) == {"handed_over"}


async def test_a_leased_batch_is_left_alone(office: Office) -> None:
    """While one worker has a batch under way no other takes it, and afterwards it is done."""
    await office.register("ana")
    await office.publish()
    stuck = Stuck()
    office.listener.answers = [stuck, answer("200 OK")]
    one, other = office.worker(), office.worker()
    await one.plan()
    sending = asyncio.create_task(one.send())
    await stuck.reached.wait()
    await other.plan()
    await other.send()
    stuck.may_go_on.set()
    await sending
    await other.send()
    assert len(office.calls()) == 1
    assert (await office.sends())["ana", "webhook", 0] == "handed_over"


async def test_two_workers_share_the_work(office: Office) -> None:
    """Each artist is in one batch and each batch is sent by one of them."""
    artists = many(1_500)
    await office.register(*artists)
    await office.publish()
    workers = [office.worker(), office.worker()]
    await asyncio.gather(*(worker.plan() for worker in workers))
    await asyncio.gather(*(worker.plan() for worker in workers))
    await asyncio.gather(*(worker.send() for worker in workers))
    assert office.told() == times(artists)
    assert len(office.calls()) == len(dict(office.calls())) == 8


async def test_a_worker_that_lost_its_lease_records_nothing(office: Office) -> None:
    """Whoever comes back late finds that another has taken over: its outcome is not the last."""
    await office.register("ana")
    await office.publish()
    await office.worker().plan()
    subject = await office.one("SELECT subject FROM artists")
    now = await office.now()
    async with office.database.keep() as session:
        late = await take(session, ChannelName.WEBHOOK, now)
    async with office.database.keep() as session:
        other = await take(session, ChannelName.WEBHOOK, now + LEASE)
    assert isinstance(late, Batch)
    assert isinstance(other, Batch)
    for batch, settles in ((late, False), (other, True), (other, False)):
        result = Result(subject, Fate.HANDED_OVER, "msg_1")
        async with office.database.keep() as session:
            assert await settle(session, batch, [result], now, 0.0) is settles


async def test_an_outcome_is_not_lost_to_the_renewal_of_its_lease(office: Office) -> None:
    """While a lease is being renewed its batch is still this worker's: it settles right after."""
    await office.register("ana")
    await office.publish()
    await office.worker().plan()
    subject = await office.one("SELECT subject FROM artists")
    now = await office.now()
    async with office.database.keep() as session:
        batch = await take(session, ChannelName.WEBHOOK, now)
    assert isinstance(batch, Batch)
    taken = [Result(subject, Fate.HANDED_OVER, "msg_1")]
    async with office.database.keep() as renewing:
        await keep_lease(renewing, batch, now)
        with pytest.raises(DBAPIError):
            async with office.database.keep() as session:
                await settle(session, batch, taken, now, 0.0)
    async with office.database.keep() as session:
        assert await settle(session, batch, taken, now, 0.0)


async def test_a_lease_from_the_future_is_none(office: Office) -> None:
    """Nor is a due time: a clock that ran ahead and went back keeps nobody waiting for years."""
    await office.register("ana")
    await office.publish()
    worker = office.worker()
    await worker.plan()
    now = await office.now()
    async with office.database.keep() as session:
        assert isinstance(await take(session, ChannelName.WEBHOOK, now + 365 * DAY), Batch)
    async with office.database.keep() as session:
        assert isinstance(await take(session, ChannelName.WEBHOOK, now), Batch)
    await office.connection.execute(
        "UPDATE send_batches SET leased_until = NULL, due_at = due_at + interval '1 year'"
    )
    async with office.database.keep() as session:
        assert isinstance(await take(session, ChannelName.WEBHOOK, now), NotNow)
    await worker.plan()
    await worker.send()
    assert office.told() == times(["ana"])


async def test_a_trouble_is_tried_again_on_schedule_and_then_given_up(office: Office) -> None:
    """Ten tries over three days, each the same message; then somebody else has to tell them."""
    await office.register("ana")
    await office.publish()
    office.listener.answers = [answer("500 Broken")]
    for tries in range(1, len(SCHEDULE) + 1):
        await office.work()
        assert len(office.calls()) == tries
        await office.work()
        assert len(office.calls()) == tries
        await office.pass_time(LONG_ENOUGH)
    assert len(dict(office.calls())) == 1
    assert (await office.sends())["ana", "webhook", 0] == "failed"
    await office.work()
    assert len(office.calls()) == len(SCHEDULE)


async def test_what_was_given_up_is_told_as_the_same_once_the_endpoint_is_put_again(
    office: Office,
) -> None:
    """A person has acted: the same calls, to the same artists in the same order, and ten tries."""
    artists = many(250)
    await office.register(*artists)
    await office.publish()
    office.listener.answers = [answer("500 Broken")]
    for _ in SCHEDULE:
        await office.work()
        await office.pass_time(LONG_ENOUGH)
    assert set((await office.sends()).values()) == {"failed"}
    given_up = sorted(dict(office.calls()).items())
    office.listener.heard.clear()
    await office.put_endpoint()
    await office.work()
    assert sorted(office.calls()) == given_up
    assert set((await office.sends()).values()) == {"waiting"}
    await office.pass_time(LONG_ENOUGH)
    office.listener.answers = [answer("200 OK")]
    await office.work()
    assert set((await office.sends()).values()) == {"handed_over"}
    await office.put_endpoint()
    await office.work()
    assert len(office.calls()) == 2 * len(given_up)


async def test_what_was_given_up_of_a_notice_that_ended_stays_so(office: Office) -> None:
    """Nobody is told of it any more, whatever becomes of the endpoint."""
    await office.register("ana")
    notice = await office.publish()
    office.listener.answers = [answer("500 Broken")]
    for _ in SCHEDULE:
        await office.work()
        await office.pass_time(LONG_ENOUGH)
    await office.publish(Mode.PROHIBITED)
    await office.work()
    await office.put_endpoint()
    assert (await office.sends(notice))["ana", "webhook", 0] == "failed"
    assert await office.one("SELECT count(*) FROM send_batches WHERE due_at IS NOT NULL") == 0


async def test_an_overloaded_endpoint_is_left_alone_by_everybody(office: Office) -> None:
    """What a receiver asks of one call all workers heed, and nobody's try is lost to it."""
    await office.register(*many(201))
    await office.publish()
    office.listener.answers = [answer("429 Slow Down", b"", "Retry-After: 600"), answer("200 OK")]
    worker = office.worker()
    await worker.plan()
    carrier = worker._open[ChannelName.WEBHOOK]
    worker._sender._slots[ChannelName.WEBHOOK] = asyncio.Semaphore(1)
    await worker._sender.send_due(ChannelName.WEBHOOK, carrier)
    await worker._sender.settled()
    calls = len(office.calls())
    other = office.worker()
    await office.pass_time(599 * SECOND)
    await other.plan()
    await other.send()
    assert len(office.calls()) == calls
    await office.pass_time(LONG_ENOUGH)
    await other.send()
    assert office.told() == times(many(201))


async def test_an_endpoint_that_is_gone_closes_the_channel_until_it_is_put_again(
    office: Office,
) -> None:
    """410 stops everybody for good; nothing is lost, and putting the endpoint again goes on."""
    await office.register("ana")
    await office.publish()
    office.listener.answers = [answer("410 Gone")]
    await office.work()
    await office.register("ben")
    await office.pass_time(DAY)
    await office.work()
    assert len(office.calls()) == 1
    assert await office.one("SELECT closed_reason FROM send_channels") is not None
    office.listener.answers = [answer("200 OK")]
    await office.put_endpoint()
    await office.work()
    assert office.told() == times(["ana", "ben"])
    assert set((await office.sends()).values()) == {"handed_over"}


async def test_an_endpoint_that_was_replaced_does_not_close_the_one_after_it(
    office: Office,
) -> None:
    """Its 410 comes when another has taken its place: that one is sent what is left."""
    await office.register("ana")
    await office.publish()
    stuck = Stuck("410 Gone")
    office.listener.answers = [stuck, answer("200 OK")]
    worker = office.worker()
    await worker.plan()
    sending = asyncio.create_task(worker.send())
    await stuck.reached.wait()
    await office.put_endpoint("/another")
    stuck.may_go_on.set()
    await sending
    assert await office.one("SELECT closed_at FROM send_channels") is None
    await worker.plan()
    await worker.send()
    assert (await office.sends())["ana", "webhook", 0] == "handed_over"


async def test_the_rate_is_that_of_all_workers_together(office: Office) -> None:
    """Sixty letters a minute are one each second, however many workers there are."""
    await office.register(*many(60))
    await office.contact(**{artist: f"{artist}@mail.example" for artist in many(60)})
    await office.publish()
    settings = mailing(office) | {"emails_per_minute": 60}
    workers = [office.worker(**settings), office.worker(**settings)]
    for worker in workers:
        await worker.plan()
    for worker in workers:
        await worker.send()
    assert len(office.mail.taken) == 50
    await office.pass_time(49 * SECOND)
    await workers[1].send()
    assert len(office.mail.taken) == 50
    await office.pass_time(2 * SECOND)
    for worker in workers:
        await worker.send()
    assert len(office.mail.taken) == 60


async def test_a_bounce_is_recorded_in_the_ledger_with_the_send(office: Office) -> None:
    """An address that will never take mail is known for it at once, and starts no window."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example", ben="ben@mail.example")
    notice = await office.publish()
    office.mail.at_rcpt["ana@mail.example"] = "550 5.1.1 no such user"
    await office.work(**mailing(office))
    assert (await office.sends(notice))["ana", "email", 0] == "bounced"
    assert (await office.sends(notice))["ben", "email", 0] == "handed_over"
    bounced = await office.connection.fetch(
        "SELECT artist_id, channel FROM bounces JOIN artists USING (subject)"
    )
    assert [tuple(row) for row in bounced] == [("ana", "email")]
    assert await office.one("SELECT count(*) FROM ledger WHERE kind = 'notice.delivered'") == 1
    await office.work(**mailing(office))
    assert await office.one("SELECT count(*) FROM bounces") == 1


async def test_who_was_taken_stays_told_where_the_ledger_takes_no_bounce(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be recorded in the ledger, only those who bounced are tried again."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example", ben="ben@mail.example")
    await office.publish()
    office.mail.at_rcpt["ana@mail.example"] = "550 5.1.1 no such user"

    async def refuse(*_: object) -> None:
        raise ClocksDisagree

    with monkeypatch.context() as patch:
        patch.setattr(office.appender, "submit", refuse)
        patch.setattr("service.notices.sender._RECORDED_AFTER_S", (0.0, 0.0))
        await office.work(**mailing(office))
    assert (await office.sends())["ben", "email", 0] == "handed_over"
    assert (await office.sends())["ana", "email", 0] == "waiting"
    await office.pass_time(LONG_ENOUGH)
    await office.work(**mailing(office))
    assert (await office.sends())["ana", "email", 0] == "bounced"
    assert [taken.recipients for taken in office.mail.taken] == [["ben@mail.example"]]


async def test_one_mailbox_that_is_full_keeps_nobody_else_waiting(office: Office) -> None:
    """Who was taken stays told; only the one is written to again, under the same Message-ID."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example", ben="ben@mail.example")
    await office.publish()
    office.mail.at_data["ana@mail.example"] = "452 mailbox full"
    await office.work(**mailing(office))
    office.mail.at_data.clear()
    await office.pass_time(LONG_ENOUGH)
    await office.work(**mailing(office))
    assert [taken.recipients for taken in office.mail.taken] == [
        ["ben@mail.example"],
        ["ana@mail.example"],
    ]


async def test_a_database_that_goes_away_stops_no_worker(office: Office) -> None:
    """Its loops try again until it is back; then they tell what there is to tell."""
    await office.register(*many(5))
    await office.publish()
    async with office.worker():
        await office.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(30):
            while office.told() != times(many(5)):  # noqa: ASYNC110 - an outsider sees no more
                await asyncio.sleep(0.02)


def test_a_database_that_is_away_for_weeks_stops_no_worker_either() -> None:
    """The pauses grow to half a minute and stay there, however often a loop has failed."""
    assert [pause_after(failures) for failures in (1, 2, 10, 1_000, 1_000_000)] == [
        0.5,
        1.0,
        30.0,
        30.0,
        30.0,
    ]


async def test_a_worker_stops_at_once_when_there_is_nothing_under_way(office: Office) -> None:
    """Whoever shuts down does not wait for a worker that rests."""
    async with asyncio.timeout(20):
        async with office.worker():
            pass
    assert FURTHEST > LONG_ENOUGH - DAY // 2


async def test_a_call_under_way_may_end_before_a_worker_stops(office: Office) -> None:
    """What was begun is recorded, so that nothing has to be told again."""
    await office.register("ana")
    await office.publish()
    stuck = Stuck()
    office.listener.answers = [stuck]
    async with office.worker():
        async with asyncio.timeout(30):
            await stuck.reached.wait()
        asyncio.get_running_loop().call_later(0.05, stuck.may_go_on.set)
    assert (await office.sends())["ana", "webhook", 0] == "handed_over"


async def test_what_becomes_of_sends_is_counted(office: Office) -> None:
    """An operator sees how many were told by which channel, and how much is waiting."""
    await office.register(*many(3))
    await office.publish()
    worker = office.worker()
    await worker.plan()
    assert (
        'fermata_waiting_batches{channel="webhook"} 1.0' in office.telemetry.exposition().decode()
    )
    await worker.send()
    await worker.plan()
    seen = office.telemetry.exposition().decode()
    assert 'fermata_sends_total{channel="webhook",outcome="handed_over"} 3.0' in seen
    assert 'fermata_waiting_batches{channel="webhook"} 0.0' in seen
