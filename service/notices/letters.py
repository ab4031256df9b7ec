"""What a batch tells, and to whom, as the channels take it: read from the tables.

- `members_of(session, batch)` are those who are left, in their fixed order;
- `Letters.write(session, batch, members)` is the message, the same for all, and its addressees.

Both say the same at every try, so that the receiver can tell a repetition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import and_, select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import (
    Artist,
    Contact,
    Delivery,
    Notice,
    Policy,
    PolicyText,
    Send,
    Use,
)
from service.domain.instant import DAY, Duration, Instant
from service.notices.batches import Batch, SendState
from service.notices.channels.channel import Addressee, Message, Text
from service.notices.channels.opt_out_link import OptOutLink, OptOutLinks

LINK_LASTS: Final[Duration] = 365 * DAY
"""How long after the announcement a letter's link can say no."""

_MOST_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One artist of a batch as they are now. `artist_id` is None for one who was erased."""

    subject: str
    artist_id: str | None
    registered_at: Instant
    closes_at: Instant | None
    email: str | None = field(default=None, repr=False)
    locale: str | None = None


async def members_of(session: ReadSession, batch: Batch) -> list[Member]:
    """Return those members of a batch who still wait, in the order that never changes."""
    rows = await session.execute(
        select(
            col(Send.subject),
            col(Artist.artist_id),
            col(Artist.erased_at),
            col(Artist.registered_at),
            col(Delivery.closes_at),
            col(Contact.email),
            col(Contact.locale),
        )
        .join(Artist, col(Artist.subject) == col(Send.subject))
        .outerjoin(Contact, col(Contact.subject) == col(Send.subject))
        .outerjoin(
            Delivery,
            and_(
                col(Delivery.notice_id) == col(Send.notice_id),
                col(Delivery.subject) == col(Send.subject),
            ),
        )
        .where(col(Send.batch_id) == batch.batch_id, col(Send.state) == SendState.WAITING.value)
        .order_by(col(Send.position))
    )
    return [
        Member(
            subject=row.subject,
            artist_id=row.artist_id if row.erased_at is None else None,
            registered_at=row.registered_at,
            closes_at=row.closes_at,
            email=row.email,
            locale=row.locale,
        )
        for row in rows
    ]


class Letters:
    """Builds what channels send. Published words never change, so they are read once."""

    def __init__(self, links: OptOutLinks, public_url: str | None) -> None:
        """Make links with these keys to pages at this address; without one, none are sent."""
        self._links = links
        self._public_url = public_url.rstrip("/") if public_url else None
        self._texts: dict[str, dict[str, Text]] = {}

    async def write(
        self, session: ReadSession, batch: Batch, members: Sequence[Member]
    ) -> tuple[Message, list[Addressee]]:
        """Return what a batch tells, and its members as channels take them; none may be erased.

        Only a reminder says when the window closes: at the notice itself it has not opened, and
        if one opens between two tries the second still has to be the same as the first.
        """
        notice, policy, names = (
            await session.execute(
                select(Notice, Policy, col(Use.names))
                .join(
                    Policy,
                    and_(
                        col(Policy.use) == col(Notice.use),
                        col(Policy.version) == col(Notice.version),
                    ),
                )
                .outerjoin(Use, col(Use.use) == col(Notice.use))
                .where(col(Notice.notice_id) == batch.notice_id)
            )
        ).one()
        message = Message(
            notice_id=notice.notice_id,
            use=notice.use,
            version=notice.version,
            recipients=tuple(sorted(policy.recipients)),
            window=policy.notice_period,
            texts=await self._words(session, notice),
            occurred_at=batch.occurred_at,
            names=names or {},
            reminder=batch.reminder,
        )
        return message, [
            Addressee(
                artist_id=member.artist_id or "",
                subject=member.subject,
                email=member.email,
                locale=member.locale,
                opt_out_link=self._link(member, notice),
                closes_at=member.closes_at if batch.reminder else None,
            )
            for member in members
        ]

    async def _words(self, session: ReadSession, notice: Notice) -> dict[str, Text]:
        if notice.notice_id not in self._texts:
            rows = await session.execute(
                select(col(PolicyText.locale), col(PolicyText.text), col(PolicyText.sha256)).where(
                    col(PolicyText.use) == notice.use, col(PolicyText.version) == notice.version
                )
            )
            while len(self._texts) >= _MOST_KEPT:
                self._texts.pop(next(iter(self._texts)))
            self._texts[notice.notice_id] = {row.locale: Text(row.text, row.sha256) for row in rows}
        return self._texts[notice.notice_id]

    def _link(self, member: Member, notice: Notice) -> str | None:
        if self._public_url is None or member.email is None:
            return None
        expires_at = notice.announced_at + LINK_LASTS
        token = self._links.make(OptOutLink(member.subject, notice.notice_id, expires_at))
        return f"{self._public_url}/opt-out/{token}"
