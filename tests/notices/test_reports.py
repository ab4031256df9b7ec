"""Reports that are prepared beside each other: the later one looks only at what is news by then."""

import pytest

from service.notices import deliveries
from service.notices.deliveries import DeliveryRow, Outcome, Reports, prepare_deliveries
from tests.notices.office import Office


async def test_a_report_among_others_is_not_prepared_again_while_the_ledger_is_held(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others have reported meanwhile is known already, and the rest is recorded."""
    await office.register("ana", "ben", "cleo", "dora")
    notice = await office.publish()

    def rows(outcome: Outcome, *artists: str, channel: str = "email") -> list[DeliveryRow]:
        return [DeliveryRow(artist, outcome, channel) for artist in artists]

    reported = [
        rows(Outcome.DELIVERED, "ana") + rows(Outcome.BOUNCED, "ben", "cleo"),
        rows(Outcome.DELIVERED, "ben", "dora") + rows(Outcome.BOUNCED, "ana", "cleo"),
        rows(Outcome.BOUNCED, "ben", "cleo", channel="webhook"),
    ]
    writes = [await prepare_deliveries(office.database, Reports(notice, one)) for one in reported]

    async def prepare_again(*_: object) -> None:
        pytest.fail("it was prepared again")

    monkeypatch.setattr(deliveries, "_plan", prepare_again)
    answers = [(await office.appender.submit(write)).body for write in writes]
    counted = ("delivered", "bounced", "already_known")
    assert [tuple(one[name] for name in counted) for one in answers] == [
        (1, 2, 0),
        (2, 0, 2),
        (0, 1, 1),
    ]
    reached = await office.connection.fetch(
        "SELECT artist_id FROM deliveries JOIN artists USING (subject) ORDER BY 1"
    )
    assert [artist for (artist,) in reached] == ["ana", "ben", "dora"]
    assert await office.one("SELECT count(*) FROM bounces") == 3
