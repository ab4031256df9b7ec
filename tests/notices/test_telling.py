"""Who is told of what: everybody whom only a window can bind, once, by each channel there is."""

import asyncio

from service.domain.instant import DAY, SECOND
from service.domain.policy import Mode
from service.notices.audience import alone_with, behind
from service.notices.contacts import ContactRow, put_contacts
from service.notices.worker import CATCH_UP_EVERY
from tests.notices.office import USE, Office, mailing, many, times

OTHER_WORDS = "Something else that we would do with it."


async def test_everybody_who_was_there_is_told_once(office: Office) -> None:
    """A new use by silence is announced to every artist, in as few calls as hold them."""
    artists = many(450)
    await office.register(*artists)
    notice = await office.publish()
    await office.work()
    assert office.told() == times(artists)
    assert [len(named) for _, named in office.calls()] == [200, 200, 50]
    assert await office.audience(notice) == set(artists)
    await office.work()
    assert office.told() == times(artists)


async def test_whoever_registers_later_is_told_when_they_do(office: Office) -> None:
    """Latecomers wait for windows of their own, so they are told, and nobody else again."""
    await office.register("ana")
    await office.publish()
    await office.work()
    await office.register("ben", "cleo")
    await office.work()
    assert office.told() == times(["ana", "ben", "cleo"])


async def test_nobody_is_told_of_what_binds_without_a_window(office: Office) -> None:
    """Launch terms, opt-in terms and prohibitions take nobody's silence for anything new."""
    await office.publish(use="discovery.recommendation")
    await office.register("ana")
    await office.publish(Mode.OPT_IN)
    await office.publish(Mode.PROHIBITED, use="training.voice")
    await office.work()
    assert office.calls() == []
    assert await office.one("SELECT count(*) FROM announcements") == 0


async def test_nobody_is_told_of_a_version_that_was_withdrawn(office: Office) -> None:
    """v2 waits; v3 goes back to v1's words and mode before a worker comes (worked example 3)."""
    await office.register("ana", "ben")
    await office.publish(Mode.OPT_IN)
    await office.publish(words=OTHER_WORDS)
    await office.publish(Mode.OPT_IN)
    await office.work()
    assert office.calls() == []


async def test_a_withdrawal_stops_what_has_not_been_sent(office: Office) -> None:
    """Between planning and sending v3 withdraws v2: what is still waiting is not needed."""
    await office.register("ana", "ben")
    await office.publish(Mode.OPT_IN)
    withdrawn = await office.publish(words=OTHER_WORDS)
    worker = office.worker()
    await worker.plan()
    await office.publish(Mode.OPT_IN)
    await worker.plan()
    await worker.send()
    assert office.calls() == []
    assert set((await office.sends(withdrawn)).values()) == {"not_needed"}
    assert await office.one("SELECT count(*) FROM send_batches WHERE due_at IS NOT NULL") == 0
    await office.register("cleo")
    await office.work()
    assert await office.audience(withdrawn) == {"ana", "ben"}


async def test_a_version_that_takes_anothers_place_is_told_in_its_place(office: Office) -> None:
    """Terms over pending terms: everybody is told of the new ones, nobody more of the old."""
    await office.register("ana")
    first = await office.publish(words="First words.")
    await office.work()
    second = await office.publish(words="Second words.")
    await office.register("ben")
    await office.work()
    assert await office.audience(first) == {"ana"}
    assert await office.audience(second) == {"ana", "ben"}
    assert await office.one("SELECT ended_at FROM announcements WHERE notice_id = $1", first)


async def test_a_spelling_changes_nothing_about_who_is_told(office: Office) -> None:
    """v3 is editorial over a pending v2: latecomers are still told of v2 (worked example 4)."""
    await office.register("ana")
    await office.publish(Mode.OPT_IN)
    pending = await office.publish(words=OTHER_WORDS)
    await office.work()
    spelling = await office.publish(words="Something else, spelt right.", editorial=True)
    await office.register("ben")
    await office.work()
    assert await office.audience(pending) == {"ana", "ben"}
    assert await office.audience(spelling) == set()
    assert office.told() == times(["ana", "ben"])


async def test_a_new_recipient_of_old_terms_is_told_to_everybody(office: Office) -> None:
    """Same words, one more company: everybody waits for the new column (worked example 5)."""
    await office.publish()
    await office.register("ana", "ben")
    wider = await office.publish(Mode.OPT_OUT, "internal", "partner:tuney")
    await office.register("cleo")
    await office.work()
    assert await office.audience(wider) == {"ana", "ben", "cleo"}


async def test_resumed_terms_are_told_to_those_alone_who_were_not_bound(office: Office) -> None:
    """The same words again for the same company: whoever was bound goes on, others wait."""
    await office.publish()
    await office.register("ana")
    await office.publish(Mode.OPT_OUT, words=WORDS_AGAIN, editorial=True)
    await office.register("ben")
    resumed = await office.publish(Mode.OPT_OUT)
    await office.register("cleo")
    await office.work()
    assert await office.audience(resumed) == {"cleo"}
    assert office.told() == times(["cleo"])


WORDS_AGAIN = "What we would do with your music!"


async def test_the_erased_are_never_told(office: Office) -> None:
    """Whoever was erased before the plan is in no audience; after it, in no call."""
    await office.register("ana", "ben", "cleo")
    await office.connection.execute(
        "UPDATE artists SET erased_at = registered_at, artist_id = NULL WHERE artist_id = 'ana'"
    )
    notice = await office.publish()
    worker = office.worker()
    await worker.plan()
    await office.connection.execute(
        "UPDATE artists SET erased_at = registered_at, artist_id = NULL WHERE artist_id = 'ben'"
    )
    await worker.send()
    assert office.told() == times(["cleo"])
    assert sorted((await office.sends(notice)).values()) == ["handed_over", "not_needed"]


async def test_whom_the_platform_told_by_itself_is_not_told_again(office: Office) -> None:
    """A delivery that is confirmed before the worker comes leaves nothing to send."""
    await office.register("ana", "ben")
    notice = await office.publish()
    await office.deliver(notice, "ana")
    await office.work()
    assert office.told() == times(["ben"])
    assert await office.audience(notice) == {"ana", "ben"}


async def test_a_delivery_between_planning_and_sending_leaves_nothing_to_send(
    office: Office,
) -> None:
    """Everybody is judged anew at the last moment."""
    await office.register("ana", "ben")
    notice = await office.publish()
    worker = office.worker()
    await worker.plan()
    await office.deliver(notice, "ana")
    await worker.send()
    assert office.told() == times(["ben"])
    assert (await office.sends())["ana", "webhook", 0] == "not_needed"


async def test_each_channel_tells_those_whom_it_reaches(office: Office) -> None:
    """The webhook is for everybody, e-mail for those of whom an address is known."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example", ben=None)
    notice = await office.publish()
    await office.work(**mailing(office))
    assert await office.sends(notice) == {
        ("ana", "webhook", 0): "handed_over",
        ("ben", "webhook", 0): "handed_over",
        ("ana", "email", 0): "handed_over",
    }
    (letter,) = office.mail.taken
    assert letter.recipients == ["ana@mail.example"]
    assert "https://fermata.example/opt-out/" in letter.part("plain")


async def test_a_new_address_is_written_to_within_minutes(office: Office) -> None:
    """Whoever can be reached only since lately is told as well, and nobody twice."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example")
    await office.publish()
    worker = await office.work(**mailing(office))
    await office.contact(ben="ben@mail.example")
    await worker.plan()
    await worker.send()
    assert len(office.mail.taken) == 1
    await office.pass_time(CATCH_UP_EVERY + SECOND)
    await worker.plan()
    await worker.send()
    assert [taken.recipients for taken in office.mail.taken] == [
        ["ana@mail.example"],
        ["ben@mail.example"],
    ]
    assert office.told() == times(["ana", "ben"])


async def test_an_address_that_was_taken_back_is_no_bounce(office: Office) -> None:
    """Without an address there is nothing to send by e-mail, and nothing that failed."""
    await office.register("ana")
    await office.contact(ana="ana@mail.example")
    await office.publish()
    worker = office.worker(**mailing(office))
    await worker.plan()
    await office.contact(ana=None)
    await worker.send()
    assert office.mail.taken == []
    assert (await office.sends())["ana", "email", 0] == "not_needed"
    assert await office.one("SELECT count(*) FROM bounces") == 0


async def test_an_address_that_comes_back_is_written_to(office: Office) -> None:
    """Taken back and said again: whoever had no address when their turn came is told after all."""
    await office.register("ana")
    await office.contact(ana="ana@mail.example")
    await office.publish()
    worker = office.worker(**mailing(office))
    await worker.plan()
    await office.contact(ana=None)
    await worker.send()
    await office.pass_time(CATCH_UP_EVERY + SECOND)
    await office.contact(ana="ana@elsewhere.example")
    await worker.plan()
    await worker.send()
    assert [taken.recipients for taken in office.mail.taken] == [["ana@elsewhere.example"]]
    assert (await office.sends())["ana", "email", 0] == "handed_over"


async def test_a_letter_that_came_back_is_written_again_to_another_address(
    office: Office,
) -> None:
    """Once: what is said of the language alone, or of the same address, is no other address."""
    await office.register("ana")
    await office.contact(ana="ana@mail.example")
    notice = await office.publish()
    office.mail.at_rcpt["ana@mail.example"] = "550 5.1.1 no such user"
    worker = await office.work(**mailing(office))
    assert (await office.sends(notice))["ana", "email", 0] == "bounced"

    async def later() -> list[list[str]]:
        await office.pass_time(CATCH_UP_EVERY + SECOND)
        await worker.plan()
        await worker.send()
        return [taken.recipients for taken in office.mail.taken]

    await office.pass_time(SECOND)
    async with office.database.keep() as session:
        await put_contacts(session, [ContactRow("ana", "ana@mail.example", "de")])
    assert await later() == []
    assert (await office.sends(notice))["ana", "email", 0] == "bounced"
    await office.contact(ana="ana@elsewhere.example")
    assert await later() == [["ana@elsewhere.example"]]
    assert (await office.sends(notice))["ana", "email", 0] == "handed_over"
    assert await later() == [["ana@elsewhere.example"]]
    await office.work(**mailing(office))
    assert len(office.mail.taken) == 1


async def test_whoever_has_moved_is_not_written_to_again(office: Office) -> None:
    """A letter that was taken, and of which nothing came back, has been sent."""
    await office.register("ana")
    await office.contact(ana="ana@mail.example")
    await office.publish()
    await office.work(**mailing(office))
    await office.pass_time(SECOND)
    await office.contact(ana="ana@elsewhere.example")
    await office.pass_time(SECOND)
    await office.work(**mailing(office))
    assert [taken.recipients for taken in office.mail.taken] == [["ana@mail.example"]]


async def test_an_address_is_not_missed_while_another_worker_is_at_the_notice(
    office: Office,
) -> None:
    """Whoever keeps others from a notice for a while is waited for."""
    await office.register("ana")
    notice = await office.publish()
    worker = await office.work(**mailing(office))
    await office.pass_time(SECOND)
    await office.contact(ana="ana@mail.example")
    await office.pass_time(2 * CATCH_UP_EVERY)
    async with office.database.keep() as other:
        await alone_with(other, notice)
        catching_up = asyncio.create_task(worker.plan())
        await asyncio.wait([catching_up], timeout=0.5)
        assert not catching_up.done()
    await catching_up
    await worker.send()
    assert (await office.sends())["ana", "email", 0] == "handed_over"


async def test_nothing_happens_while_the_clocks_disagree(office: Office) -> None:
    """Without a time that can be believed nobody is told anything; afterwards everybody is."""
    await office.register("ana")
    await office.publish()
    worker = await office.work()
    await office.register("ben")
    await office.pass_time(3 * DAY, of_the_machine=False)
    await worker.plan()
    await worker.send()
    assert office.told() == times(["ana"])
    await office.pass_time(-3 * DAY, of_the_machine=False)
    await worker.plan()
    await worker.send()
    assert office.told() == times(["ana", "ben"])


async def test_every_use_is_told_of_apart(office: Office) -> None:
    """Two uses that are announced together are two notices, each told once."""
    await office.register("ana")
    await office.publish(use=USE)
    await office.publish(use="training.voice")
    await office.work()
    assert office.told() == times(["ana"], 2)


async def test_an_endpoint_that_comes_late_is_told_of_everybody(office: Office) -> None:
    """Audiences that were filled while there was no channel are told once there is one."""
    await office.connection.execute("DELETE FROM private.webhook_endpoint")
    await office.register("ana", "ben")
    await office.publish()
    worker = await office.work()
    assert await office.sends() == {}
    await office.put_endpoint()
    await worker.plan()
    await worker.send()
    assert office.told() == times(["ana", "ben"])


async def test_an_endpoint_that_comes_while_an_audience_is_filled_is_told(office: Office) -> None:
    """Else whoever was added after others had caught up would be told by nobody."""
    await office.connection.execute("DELETE FROM private.webhook_endpoint")
    await office.register("ana")
    await office.publish()
    filling = await office.work()
    await office.register("ben")
    async with office.database.read() as session:
        (telling,) = await behind(session)
    await office.put_endpoint()
    await office.work()
    await office.register("cleo")
    await filling._fill(telling)
    assert await office.one("SELECT count(*) FROM sends") == 3
