"""A worker that dies at any of its statements: nothing lost, nothing told under another id."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from sqlalchemy import event

from service.domain.instant import SECOND
from service.notices.batches import LEASE
from tests.notices.office import Office, mailing, times


class Died(Exception):  # noqa: N818 - it is the end
    """The worker is no more."""


@contextmanager
def dying_at(office: Office, statement: int) -> Iterator[list[int]]:
    """Let nothing reach the database from this statement on; yield how many wanted to."""
    seen = [0]

    def stop(*_: object) -> None:
        seen[0] += 1
        if seen[0] >= statement:
            raise Died

    engine = office.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", stop)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", stop)


async def die(office: Office, statement: int) -> bool:
    """Let a worker die at this statement of its work; return whether it came so far."""
    with dying_at(office, statement) as seen:
        worker = office.worker(**mailing(office))
        try:
            await worker.plan()
            await worker.send()
        except Died:
            pass
        return seen[0] >= statement


async def work_on(office: Office, notice: str) -> None:
    """Let another worker do what is left; what a slow mail server kept back is tried again."""
    for wait in (LEASE + SECOND, 600 * SECOND, 3_600 * SECOND):
        await office.pass_time(wait)
        await office.work(**mailing(office))
        if "waiting" not in (await office.sends(notice)).values():
            return


async def test_a_worker_may_die_at_any_statement(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another does what is left: by webhook, by e-mail and in the ledger, each artist once."""
    monkeypatch.setattr("service.notices.sender._RECORDED_AFTER_S", (0.0,))
    artists = ["ana", "ben", "cleo"]
    await office.register(*artists)
    await office.contact(ana="ana@mail.example", ben="ben@mail.example")
    office.mail.at_rcpt["ben@mail.example"] = "550 5.1.1 no such user"
    for statement in count(1, 3):
        notice = await office.publish(words=f"Words no. {statement}.")
        if not await die(office, statement):
            break
        await work_on(office, notice)
        assert await office.sends(notice) == {
            **{(artist, "webhook", 0): "handed_over" for artist in artists},
            ("ana", "email", 0): "handed_over",
            ("ben", "email", 0): "bounced",
        }
        bounces = "SELECT count(*) FROM bounces WHERE notice_id = $1"
        assert await office.one(bounces, notice) == 1
    assert statement > 20
    notices = (statement + 2) // 3
    assert office.told() == times(artists, notices)
    letters = {str(taken.letter["Message-ID"]) for taken in office.mail.taken}
    assert len(letters) == notices
