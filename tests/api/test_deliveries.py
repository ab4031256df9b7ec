"""Notices and what became of them: only a first confirmed delivery starts a window."""

from datetime import timedelta
from typing import Any, Final

from service.domain.instant import DAY, format_instant, parse_instant
from tests.api.door import connected
from tests.api.people import AUDITING_PIPELINE as AUDITING
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, POLICY_DESK
from tests.api.story import MUSIC, Story, draft

NOTICE: Final = f"{MUSIC}:2"
DELIVERIES: Final = f"/v1/notices/{NOTICE}/deliveries"
MONTH: Final = timedelta(days=30)


async def announced(story: Story) -> None:
    """Begin, and announce an `opt_out` version of a use that was `opt_in`."""
    await story.begin()
    await story.publish(MUSIC, "opt_out", texts={"en": "From now on, unless you object."})


async def window(story: Story, content: str = "song") -> Any:
    """Return the one window of a content's artist, or None."""
    answer = await story.check(MUSIC, content, explain=True)
    windows = answer["results"][0]["explanation"]["rightsholders"][0]["windows"]
    return windows[0] if windows else None


async def recorded_at(story: Story, revision: int) -> str:
    """Return the ledger's time of an event."""
    async with connected(story.door.database_url) as connection:
        at = await connection.fetchval(
            "SELECT recorded_at FROM ledger WHERE revision = $1", revision
        )
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


async def test_a_notice_counts_whom_it_reached(story: Story) -> None:
    """It is announced by the version's publication; how far it has come is the platform's."""
    await announced(story)
    version = (await story.door.ask("GET", f"/v1/uses/{MUSIC}/policies/2")).json()
    await story.deliver(NOTICE, "ana")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    assert await story.door.done("GET", f"/v1/notices/{NOTICE}", by=AUDITOR) == {
        "notice": NOTICE,
        "use": MUSIC,
        "version": 2,
        "announced_at": version["published_at"],
        "delivered": 1,
        "bounced": 1,
        "revision": version["revision"],
    }
    unknown = await story.door.ask("GET", f"/v1/notices/{MUSIC}:3", by=PLATFORM)
    assert unknown.status_code == 404


async def test_the_window_runs_from_the_recording_to_the_microsecond(story: Story) -> None:
    """Half open: the closing instant itself is permitted, the microsecond before is not (R6)."""
    await announced(story)
    told = await story.deliver(NOTICE, "ana")
    opened = await recorded_at(story, told["revision"])
    closes_at = format_instant(parse_instant(opened) + 30 * DAY)
    assert await window(story) == {
        "policy_version": 2,
        "opens_at": opened,
        "closes_at": closes_at,
    }
    for at, reason in (
        (format_instant(parse_instant(closes_at) - 1), "no_opt_in"),
        (closes_at, "window_closed"),
    ):
        assert await story.reasons(MUSIC, "song", by=AUDITING, at=at) == [reason]


async def test_a_second_delivery_changes_nothing(story: Story) -> None:
    """The first one counts; repeating is no event."""
    await announced(story)
    first = await story.deliver(NOTICE, "ana")
    before = await window(story)
    await story.door.advance(timedelta(days=3))
    again = await story.deliver(NOTICE, "ana", channel="push")
    assert again == {
        "notice": NOTICE,
        "delivered": 0,
        "bounced": 0,
        "already_known": 1,
        "revision": first["revision"],
    }
    assert await window(story) == before


async def test_a_bounce_starts_nothing(story: Story) -> None:
    """Nobody is bound by what did not reach them; a later delivery starts the window."""
    await announced(story)
    bounced = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (bounced["delivered"], bounced["bounced"]) == (0, 1)
    again = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (again["already_known"], again["revision"]) == (1, bounced["revision"])
    assert await window(story) is None
    await story.door.advance(MONTH * 2)
    assert await story.reasons(MUSIC, "song") == ["no_opt_in"]
    told = await story.deliver(NOTICE, "ana")
    assert (await window(story))["opens_at"] == await recorded_at(story, told["revision"])


async def test_a_bounce_after_a_delivery_stops_nothing(story: Story) -> None:
    """It arrived once: a later failure of some other message does not undo that."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    before = await window(story)
    bounced = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (bounced["bounced"], bounced["already_known"]) == (0, 1)
    assert await window(story) == before


async def test_a_claimed_time_moves_no_window(story: Story) -> None:
    """`reported_at` is evidence: neither the past nor the future counts (R6)."""
    await announced(story)
    for artist, content, claimed in (
        ("ana", "song", "2020-01-01T00:00:00Z"),
        ("ben", "tune", "2126-01-01T00:00:00Z"),
    ):
        told = await story.deliver(NOTICE, artist, reported_at=claimed)
        opened = (await window(story, content))["opens_at"]
        assert opened == await recorded_at(story, told["revision"])
    assert await story.reasons(MUSIC, "song") == ["no_opt_in"]


async def test_an_unknown_artist_is_refused_by_row(story: Story) -> None:
    """All of it or none: the good rows beside it are not recorded either."""
    await announced(story)
    rows = [{"artist": artist, "channel": "email"} for artist in ("ana", "nobody", "ben", "no one")]
    response = await story.door.ask("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert response.status_code == 422
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [
        ("deliveries[1].artist", "unknown_artist"),
        ("deliveries[3].artist", "unknown_artist"),
    ]
    assert await window(story) is None


async def test_ten_thousand_are_confirmed_at_once(story: Story) -> None:
    """One event, some delivered and some not, and one instant for all."""
    await announced(story)
    artists = [f"artist {n}" for n in range(10_000)]
    await story.register(*artists)
    rows = [
        {"artist": artist, "channel": "email", "outcome": ("delivered", "bounced")[n % 2]}
        for n, artist in enumerate(artists)
    ]
    revision = await story.revision()
    done = await story.door.done("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert done == {
        "notice": NOTICE,
        "delivered": 5_000,
        "bounced": 5_000,
        "already_known": 0,
        "revision": revision + 1,
    }
    again = await story.door.done("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert (again["already_known"], again["revision"]) == (10_000, revision + 1)
    await story.door.advance(MONTH)
    body = {"use": MUSIC, "artists": artists, "shape": "columns"}
    columns = (await story.door.done("POST", "/v1/checks", body, by=PIPELINE))["results"]
    assert columns["permitted"] == [True, False] * 5_000


async def test_the_longest_use_has_a_notice_too(story: Story) -> None:
    """A use of 200 characters can be announced and confirmed like any other."""
    await story.begin()
    use = "a." + "b" * 198
    published = await story.publish(use, "opt_out")
    assert (await story.deliver(published["notice"], "ana"))["delivered"] == 1
    path = f"/v1/notices/{published['notice']}"
    assert (await story.door.done("GET", path, by=POLICY_DESK))["delivered"] == 1


async def test_each_version_has_windows_of_its_own(story: Story) -> None:
    """A delivery of one version's notice is none of the next one's."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.door.advance(MONTH)
    assert await story.reasons(MUSIC, "song") == ["window_closed"]
    body = draft("opt_out", texts={"en": "And more."})
    await story.door.done("POST", f"/v1/uses/{MUSIC}/policies", body, by=POLICY_DESK)
    answer = await story.check(MUSIC, "song", min_policy_version=3)
    assert answer["results"][0]["reason"] == "not_notified"
    assert (await story.check(MUSIC, "song"))["results"][0]["policy_version"] == 2


async def test_an_audit_does_not_confirm(story: Story) -> None:
    """Who may read everything may still start no window."""
    await announced(story)
    body = {"deliveries": [{"artist": "ana", "channel": "email"}]}
    assert (await story.door.ask("POST", DELIVERIES, body, by=AUDITOR)).status_code == 403
    assert await window(story) is None
