"""Notices at a glance agree with the exact figures of each."""

from service.audit.notices import coverages
from service.clock import SystemClock
from service.db.engine import ReadSession
from service.notices.cursor import Cursors
from service.notices.progress import Looking, NoticeState, count_notice
from service.settings import Settings
from tests.api.story import VOICE
from tests.audit.history import ARTISTS


async def test_coverage_is_that_of_the_notice(reading: ReadSession) -> None:
    """Everybody of the audience is reached or waits; every window is open or closed."""
    now = SystemClock().now()
    (one,) = [c for c in (await coverages(reading, now)).notices if c.notice == f"{VOICE}:2"]
    settings = Settings(database_url="postgresql://nowhere/x")
    looking = Looking(now, settings, Cursors(bytes(32)))
    exact = await count_notice(reading, looking, one.notice)
    assert (one.audience, one.delivered) == (len(ARTISTS) + 1, exact["delivered"])
    assert one.waiting == one.audience - one.delivered
    assert 0 < one.bounced == exact["bounced"]
    assert (one.running, one.closed) == (exact["window_open"], exact["bound"])
    assert one.next_closes_at is not None
    assert now < one.next_closes_at <= (one.last_closes_at or 0)


async def test_notices_come_newest_first_and_go_on(reading: ReadSession) -> None:
    """A page at a time, each notice once."""
    now = SystemClock().now()
    whole = [one.notice for one in (await coverages(reading, now)).notices]
    paged, before = [], None
    while True:
        page = await coverages(reading, now, before=before, limit=2)
        paged += [one.notice for one in page.notices]
        before = page.next_before
        if before is None:
            break
    assert paged == whole
    assert len(set(whole)) == 5


async def test_what_needs_no_window_concerns_nobody(reading: ReadSession) -> None:
    """Launch terms bind without one."""
    found = {one.notice: one for one in (await coverages(reading, SystemClock().now())).notices}
    launch = found[f"{VOICE}:1"]
    assert launch.state is NoticeState.NOT_NEEDED
    assert (launch.audience, launch.delivered, launch.running) == (0, 0, 0)
