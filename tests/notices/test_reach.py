"""By what artists can be reached, in the words that counting and sending share."""

from sqlalchemy import select
from sqlmodel import col

from service.db.tables import Artist
from service.domain.instant import SECOND
from service.notices.reach import Reach, reach_now, unreachable
from tests.notices.channels.listening import answer
from tests.notices.office import Office, mailing


async def nobody_reaches(office: Office, reach: Reach) -> set[str | None]:
    """Return the artists whom no channel reaches."""
    async with office.database.read() as session:
        rows = await session.execute(
            select(col(Artist.artist_id)).where(unreachable(reach, col(Artist.subject)))
        )
        return set(rows.scalars())


async def test_a_proven_endpoint_reaches_everybody(office: Office) -> None:
    """Until it closes: then only e-mail is left, for those who have an address."""
    await office.register("ana", "ben", "cleo")
    await office.contact(ana="ana@mail.example", ben=None)
    with_mail = office.settings.model_copy(update=mailing(office))
    async with office.database.read() as session:
        reach = await reach_now(session, with_mail)
    assert reach == Reach(webhook=True, email=True)
    assert await nobody_reaches(office, reach) == set()
    await office.publish()
    office.listener.answers = [answer("410 Gone")]
    await office.work()
    async with office.database.read() as session:
        reach = await reach_now(session, with_mail)
    assert reach == Reach(webhook=False, email=True)
    assert await nobody_reaches(office, reach) == {"ben", "cleo"}


async def test_without_channels_nobody_is_reached(office: Office) -> None:
    """An endpoint that has not proven itself is none, nor is an address without a mail server."""
    await office.register("ana")
    await office.contact(ana="ana@mail.example")
    await office.connection.execute("UPDATE private.webhook_endpoint SET proven_at = NULL")
    await office.pass_time(SECOND)
    async with office.database.read() as session:
        reach = await reach_now(session, office.settings)
    assert reach == Reach(webhook=False, email=False)
    assert await nobody_reaches(office, reach) == {"ana"}
