"""Judging a batch anew just before it is sent: whom is there nothing to tell any more, and why.

A batch that one call tells as a whole, and that may have been heard before, is repeated word for
word to all whom the call named: leaving one out would make it another message, and everybody else
would be told twice. It is dropped only where nobody in it needs it any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Announcement, Notice
from service.domain.binding import window_matters
from service.domain.instant import Instant
from service.notices.audience import deliveries_of
from service.notices.batches import Batch
from service.notices.letters import Member
from service.notices.reach import ChannelName
from service.policies.versions import load_versions


@dataclass(frozen=True, slots=True)
class _Case:
    """What a batch's members are judged by."""

    batch: Batch
    notice: Notice
    ended: bool
    now: Instant


async def no_longer_needed(
    session: ReadSession, batch: Batch, members: Sequence[Member], now: Instant
) -> dict[str, str]:
    """Return those members whom nothing is to be told, each with the reason why."""
    notice, ended_at = (
        await session.execute(
            select(Notice, col(Announcement.ended_at))
            .join(Announcement, col(Announcement.notice_id) == col(Notice.notice_id))
            .where(col(Notice.notice_id) == batch.notice_id)
        )
    ).one()
    case = _Case(batch, notice, ended_at is not None, now)
    erased = {one.subject: "the artist was erased" for one in members if one.artist_id is None}
    left = [one for one in members if one.artist_id is not None]
    reasons = await _judge(session, case, left)
    repeats = batch.heard and batch.channel is ChannelName.WEBHOOK
    if repeats and len(reasons) < len(left):
        return erased
    return erased | reasons


async def _judge(session: ReadSession, case: _Case, members: Sequence[Member]) -> dict[str, str]:
    use, number = case.notice.use, case.notice.version
    versions = (await load_versions(session, use))[use]
    told = await deliveries_of(session, use, [one.subject for one in members])
    found = {}
    for one in members:
        delivered = told.get(one.subject, {})
        reason = _about(case, one, told_already=number in delivered)
        if reason is None and not window_matters(
            versions, number, one.registered_at, delivered, case.now
        ):
            reason = "another version decides before this window could close"
        if reason is not None:
            found[one.subject] = reason
    return found


def _about(case: _Case, member: Member, *, told_already: bool) -> str | None:
    if case.batch.channel is ChannelName.EMAIL and member.email is None:
        return "no e-mail address is known any more"
    if case.batch.reminder:
        if member.closes_at is None or member.closes_at <= case.now:
            return "the window has closed"
        return None
    if told_already:
        return "it was delivered already"
    return "a later version has taken this one's place" if case.ended else None
