"""Reminders: those whose window is about to decide something hear of it once more in time."""

import json

from service.domain.instant import DAY, SECOND
from service.domain.policy import Mode
from service.notices.worker import Worker
from tests.notices.office import Office, mailing, many, times


def reminded(office: Office) -> list[tuple[int, list[str]]]:
    """Return each reminder that was sent: its number, and whom it named."""
    bodies = [json.loads(heard.body)["data"] for heard in office.listener.heard]
    return [
        (body["reminder"], [one["artist"] for one in body["artists"]])
        for body in bodies
        if "reminder" in body
    ]


async def go_on(office: Office, worker: Worker, days: int) -> None:
    """Let days pass, and the worker work."""
    await office.pass_time(days * DAY + SECOND)
    await worker.plan()
    await worker.send()


async def test_an_open_window_is_recalled_a_week_and_a_day_before_it_closes(
    office: Office,
) -> None:
    """Each reminder comes once, names the closing instant, and none comes after it."""
    await office.register("ana", "ben")
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, "ana")
    for days, expected in ((22, []), (1, [(1, ["ana"])]), (1, [(1, ["ana"])])):
        await go_on(office, worker, days)
        assert reminded(office) == expected
    await go_on(office, worker, 5)
    assert reminded(office) == [(1, ["ana"]), (2, ["ana"])]
    await go_on(office, worker, 2)
    assert reminded(office) == [(1, ["ana"]), (2, ["ana"])]
    recalled = json.loads(office.listener.heard[-1].body)["data"]["artists"]
    assert recalled[0]["closes_at"].startswith("2030-07-01T12:00:00")


async def test_another_worker_reminds_nobody_again(office: Office) -> None:
    """What was sent stands in the tables: neither a restart nor a second worker repeats it."""
    artists = many(300)
    await office.register(*artists)
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, *artists)
    await go_on(office, worker, 24)
    await office.work()
    await office.work()
    assert sum(len(named) for _, named in reminded(office)) == 300


async def test_who_has_said_no_is_not_pressed(office: Office) -> None:
    """A no that stands on every recipient is an answer; one on some of them is not."""
    await office.register("ana", "ben", "cleo")
    notice = await office.publish(Mode.OPT_OUT, "internal", "partner:tuney")
    worker = await office.work()
    await office.deliver(notice, "ana", "ben", "cleo")
    await office.say_no("ana", "training")
    await office.say_no("ben", "training", "internal")
    await go_on(office, worker, 24)
    ((_, named),) = reminded(office)
    assert sorted(named) == ["ben", "cleo"]


async def test_a_window_that_decides_nothing_any_more_is_not_recalled(office: Office) -> None:
    """A withdrawal binds at once, so the closing of the window before it matters to nobody."""
    await office.register("ana")
    await office.publish(Mode.OPT_IN)
    pending = await office.publish(words="Something else.")
    worker = await office.work()
    await office.deliver(pending, "ana")
    await office.publish(Mode.OPT_IN)
    await go_on(office, worker, 24)
    assert reminded(office) == []


async def test_a_window_that_still_decides_is_recalled_after_newer_terms(office: Office) -> None:
    """New terms wait for a window of their own; until that closes the older ones will bind."""
    await office.register("ana")
    older = await office.publish(words="First words.")
    worker = await office.work()
    await office.deliver(older, "ana")
    await office.publish(words="Second words.")
    await go_on(office, worker, 24)
    assert reminded(office) == [(1, ["ana"])]


async def test_a_lead_longer_than_the_window_is_none(office: Office) -> None:
    """A notice of five days is recalled a day before, not at once."""
    await office.register("ana")
    notice = await office.publish(period=5 * DAY)
    worker = await office.work()
    await office.deliver(notice, "ana")
    await go_on(office, worker, 1)
    assert reminded(office) == []
    await go_on(office, worker, 3)
    assert reminded(office) == [(1, ["ana"])]


async def test_a_reminder_that_was_missed_is_not_sent_beside_the_next(office: Office) -> None:
    """A worker that was away for a week sends the last reminder alone."""
    await office.register("ana")
    notice = await office.publish()
    await office.work()
    await office.deliver(notice, "ana")
    await go_on(office, office.worker(), 29)
    assert reminded(office) == [(2, ["ana"])]


async def test_a_reminder_whose_window_has_closed_meanwhile_is_not_sent(office: Office) -> None:
    """Nobody is told that they have time left when they have none."""
    await office.register("ana")
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, "ana")
    await office.pass_time(29 * DAY + SECOND)
    await worker.plan()
    await office.pass_time(DAY)
    await worker.send()
    assert reminded(office) == []
    assert (await office.sends(notice))["ana", "webhook", 2] == "not_needed"


async def test_reminders_go_by_the_channels_an_artist_has(office: Office) -> None:
    """E-mail reminds those of whom an address is known; the webhook everybody."""
    await office.register("ana", "ben")
    await office.contact(ana="ana@mail.example")
    notice = await office.publish()
    worker = office.worker(**mailing(office))
    await worker.plan()
    await worker.send()
    await office.deliver(notice, "ana", "ben")
    await go_on(office, worker, 24)
    recalled = {key for key in await office.sends(notice) if key[2]}
    assert recalled == {("ana", "webhook", 1), ("ben", "webhook", 1), ("ana", "email", 1)}
    assert len(office.mail.taken) == 2


async def test_reminders_that_no_channel_could_carry_are_sent_by_one_that_comes(
    office: Office,
) -> None:
    """An endpoint that moves and has to prove itself anew costs nobody the reminder."""
    await office.register("ana")
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, "ana")
    await office.connection.execute("DELETE FROM private.webhook_endpoint")
    await go_on(office, worker, 24)
    assert reminded(office) == []
    await office.put_endpoint()
    await worker.plan()
    await worker.send()
    assert reminded(office) == [(1, ["ana"])]


async def test_reminders_do_not_wait_behind_a_large_mailing(office: Office) -> None:
    """Whoever has a day left hears of it before those who have all their time before them."""
    await office.register("ana")
    notice = await office.publish()
    await office.work()
    await office.deliver(notice, "ana")
    await office.pass_time(24 * DAY)
    await office.register(*many(450))
    await office.publish(use="training.voice")
    await go_on(office, office.worker(webhook_calls_per_minute=1), 0)
    assert reminded(office) == [(1, ["ana"])]


async def test_nobody_is_reminded_while_the_clocks_disagree(office: Office) -> None:
    """A clock that jumped ahead would recall windows that have weeks to go."""
    await office.register("ana")
    notice = await office.publish()
    worker = await office.work()
    await office.deliver(notice, "ana")
    await office.pass_time(24 * DAY, of_the_machine=False)
    await worker.plan()
    await worker.send()
    assert reminded(office) == []
    assert office.told() == times(["ana"])
