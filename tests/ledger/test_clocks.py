"""A service whose clocks cannot be believed permits nothing by time and records only noes."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest

from service.domain.instant import SECOND, Duration, Instant, format_instant, parse_instant
from tests.api.door import Door, connected, make_clock_movable, make_issuer, open_door
from tests.api.people import PIPELINE, PLATFORM, POLICY_DESK, Caller, person
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story, draft
from tests.api.whole_database import changed, everything
from tests.ledger.writing import kept

HOUR: Final = 3_600 * SECOND
ANA: Final = person("ana")
CONSENTS: Final = "/v1/artists/ana/consents"


def said(answer: str, **more: Any) -> dict[str, Any]:
    """Return the body of a statement about voices."""
    return {"answer": answer, "use": VOICE, "channel": "settings_page", **more}


WRITES: Final[dict[str, tuple[str, str, Any, Caller]]] = {
    "a yes": ("POST", CONSENTS, said("opt_in"), ANA),
    "taking back": ("POST", CONSENTS, said("inherit"), ANA),
    "a charter": ("PATCH", "/v1/charter", {"min_notice_period": "P60D"}, POLICY_DESK),
    "a name": ("PUT", "/v1/uses/training", {"names": {"en": "Training"}}, POLICY_DESK),
    "a policy": ("POST", f"/v1/uses/{MUSIC}/policies", draft("opt_out"), POLICY_DESK),
    "an artist": ("POST", "/v1/artists", {"artists": [{"artist": "eve"}]}, PLATFORM),
    "a delegate": ("PUT", "/v1/artists/ana/delegates/label", {"may_opt_in": True}, ANA),
    "no delegate": ("DELETE", "/v1/artists/ana/delegates/manager", None, ANA),
    "content": (
        "POST",
        "/v1/content",
        {"content": [{"content": "new", "rightsholders": ["ana"]}]},
        PLATFORM,
    ),
    "a delivery": (
        "POST",
        f"/v1/notices/{RECOMMENDATION}:1/deliveries",
        {"deliveries": [{"artist": "ben", "channel": "email"}]},
        PLATFORM,
    ),
}


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    """Run the service beside a database whose clock can be moved."""
    await make_clock_movable(database_url)
    async with open_door(database_url, make_issuer()) as opened:
        yield opened


@pytest.fixture
async def told(door: Door) -> Story:
    """Return a platform: ana says yes to voices, and yes for ten seconds to music."""
    story = Story(door)
    await story.begin()
    await story.delegate("ana", "manager")
    until = format_instant((await door.services.heads.read()).now + 10 * SECOND)
    await story.say("ana", "opt_in", VOICE)
    await story.say("ana", "opt_in", MUSIC, expires_at=until)
    return story


async def move(door: Door, by: Duration) -> None:
    """Set the database's clock ahead or back, and no other."""
    async with connected(door.database_url) as database:
        await database.execute("UPDATE moved.ahead SET by = by + $1 * interval '1 us'", by)


async def asked(story: Story, use: str, *content: str, **more: Any) -> httpx2.Response:
    """Ask about content, whatever comes of it."""
    body = {"use": use, "content": list(content), **more}
    return await story.door.ask("POST", "/v1/checks", body, by=PIPELINE)


def disagrees(response: httpx2.Response) -> None:
    """The answer is that the clocks cannot be believed."""
    assert response.status_code == 503, response.text
    assert response.json()["type"] == "urn:fermata:problem:clocks-disagree"


async def nothing_by_time(story: Story) -> None:
    """A window and a yes with an end permit nothing; what needs no clock is answered."""
    for consistency in ("strong", {"max_staleness_ms": 60_000}, {"at_least": 1}):
        disagrees(await asked(story, RECOMMENDATION, "song", consistency=consistency))
        disagrees(await asked(story, MUSIC, "song", consistency=consistency))
    assert await story.reasons(VOICE, "song", "tune") == ["opted_in", "no_opt_in"]
    assert await story.reasons(MUSIC, "tune", "nowhere") == ["no_opt_in", "unknown_content"]
    assert await story.reasons("no.such.use", "song") == ["unknown_use"]


async def now_of(story: Story) -> Instant:
    """Return the instant at which a check is judged."""
    return parse_instant((await story.check(VOICE, "song"))["evaluated_at"])


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 8 * SECOND, -8 * SECOND])
async def test_the_databases_clock_alone_is_wrong(told: Story, wrong: Duration) -> None:
    """Ahead or behind, it permits nothing; once it is repaired every answer is as before."""
    before = await now_of(told)
    await move(told.door, wrong)
    await nothing_by_time(told)
    await move(told.door, -wrong)
    assert await told.reasons(RECOMMENDATION, "song") == ["window_closed"]
    assert await told.reasons(VOICE, "song") == ["opted_in"]
    after = await now_of(told)
    assert before < after
    # By the machine's own clock no more time has gone by than it says, give or take its reading.
    assert after < told.door.clock.now() + SECOND
    response = await told.say("ana", "inherit", VOICE)
    assert parse_instant(response["recorded_at"]) < told.door.clock.now() + SECOND


# Further back, no token is valid yet.
@pytest.mark.parametrize("wrong", [HOUR, -20 * SECOND])
async def test_both_wall_clocks_are_wrong_together(told: Story, wrong: Duration) -> None:
    """The steady clock tells: an hour that nobody waited for closes no window."""
    assert await told.reasons(RECOMMENDATION, "song") == ["window_closed"]
    await move(told.door, wrong)
    told.door.clock.apart += wrong
    await nothing_by_time(told)
    disagrees(await told.door.ask_seeing("POST", CONSENTS, said("opt_in"), by=ANA))
    await told.say("ben", "opt_out")
    await move(told.door, -wrong)
    told.door.clock.apart -= wrong
    assert await told.reasons(RECOMMENDATION, "song", "tune") == ["window_closed", "opted_out"]


async def test_what_has_expired_stays_so(told: Story) -> None:
    """A clock that steps back by less than the bound is believed, and takes no time back."""
    async with connected(told.door.database_url) as database:
        await database.execute("UPDATE moved.ahead SET by = by + interval '11 s'")
    told.door.clock.ahead += 11 * SECOND
    assert await told.reasons(MUSIC, "song") == ["opt_in_expired"]
    for consistency in ("strong", {"max_staleness_ms": 60_000}):
        await move(told.door, -2 * SECOND)
        assert await told.reasons(MUSIC, "song", consistency=consistency) == ["opt_in_expired"]
    assert await told.reasons(RECOMMENDATION, "song") == ["window_closed"]


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_is_refused_and_leaves_nothing(told: Story, write: str) -> None:
    """Not even its idempotency key, with which it is done once the clocks agree."""
    method, path, body, by = WRITES[write]
    before = await everything(told.door.database_url)
    await move(told.door, HOUR)
    disagrees(await told.door.ask_seeing(method, path, body, by=by, key="k"))
    assert changed(before, await everything(told.door.database_url)) == []
    await move(told.door, -HOUR)
    done = await told.door.ask_seeing(method, path, body, by=by, key="k")
    assert done.is_success
    assert "idempotency-replayed" not in done.headers


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
async def test_a_no_is_recorded_right_after_the_last_event(told: Story, wrong: Duration) -> None:
    """Only its place counts: one microsecond on, in force at once, done once for its key."""
    before = await kept(told.door.database_url)
    await move(told.door, wrong)
    no = said("opt_out", use="*")
    for by, replayed in ((ANA, False), (ANA, True)):
        response = await told.door.ask("POST", CONSENTS, no, by=by, key="no")
        assert response.status_code == 201
        assert ("idempotency-replayed" in response.headers) is replayed
        assert parse_instant(response.json()["recorded_at"]) == before.last_at + 1
    assert (await kept(told.door.database_url)).size == before.size + 1
    assert await told.reasons(RECOMMENDATION, "song", "duet") == ["opted_out", "opted_out"]
    await told.say("ben", "opt_out")
    assert (await kept(told.door.database_url)).last_at == before.last_at + 2


async def test_a_replica_that_started_in_a_glitch_agrees_once_it_is_over(told: Story) -> None:
    """It permits nothing by time before, and needs no restart after."""
    await move(told.door, HOUR)
    async with open_door(told.door.database_url, told.door.issuer) as late:
        disagrees(await asked(Story(late), RECOMMENDATION, "song"))
        await move(told.door, -HOUR)
        assert await Story(late).reasons(RECOMMENDATION, "song") == ["window_closed"]
        assert await Story(late).reasons(MUSIC, "song") == ["opted_in"]
