"""A refused write leaves no trace in any table, and none on the writes beside it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from service.db.tables import metadata
from service.domain.instant import SECOND
from tests.api.door import Door, connected, lock_awaited
from tests.api.people import (
    AUDITOR,
    PIPELINE,
    PLATFORM,
    POLICY_DESK,
    Caller,
    machine,
    person,
)
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story, draft
from tests.api.whole_database import changed, everything

ANA: Final = person("ana")
LABEL: Final = person("label")
LONG: Final = "x" * 201
YES: Final = {"answer": "opt_in", "use": MUSIC, "channel": "settings_page"}
SHOWN: Final = {"shown": [{"use": MUSIC, "version": 1}]}
"""What the platform says of a yes that it passes on, beside which nobody opens settings."""
NO: Final = {"answer": "opt_out", "use": "*", "channel": "settings_page"}
PUT_SONG: Final = {"content": "song", "rightsholders": ["ana"]}
TOLD_ANA: Final = {"artist": "ana", "channel": "email"}
_NAMES: Final = {"names": {"en": "A name"}}


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that has to be refused, with the status and the code of the first error."""

    method: str
    path: str
    body: Any
    by: Caller | None
    status: int
    code: str | None = None


CHARTER: Final = "/v1/charter"
POLICIES: Final = f"/v1/uses/{RECOMMENDATION}/policies"
CONSENTS: Final = "/v1/artists/ana/consents"
DELEGATES: Final = "/v1/artists/ana/delegates"
DELIVERIES: Final = f"/v1/notices/{RECOMMENDATION}:1/deliveries"


def policy(status: int, code: str | None, use: str = RECOMMENDATION, **changes: Any) -> Bad:
    """Return a refused publication: a good draft but for the changes."""
    body = draft("opt_out") | changes
    return Bad("POST", f"/v1/uses/{use}/policies", body, POLICY_DESK, status, code)


def consent(status: int, code: str | None, by: Caller = ANA, **changes: Any) -> Bad:
    """Return a refused statement: a good yes but for the changes."""
    return Bad("POST", CONSENTS, YES | changes, by, status, code)


def content(status: int, code: str | None, *rows: Any) -> Bad:
    """Return a refused put: one good row before the bad ones."""
    body = {"content": [{"content": "new", "rightsholders": ["ana"]}, *rows]}
    return Bad("POST", "/v1/content", body, PLATFORM, status, code)


def deliveries(status: int, code: str | None, *rows: Any) -> Bad:
    """Return a refused report: one good row before the bad ones."""
    return Bad("POST", DELIVERIES, {"deliveries": [TOLD_ANA, *rows]}, PLATFORM, status, code)


REFUSED: Final[Mapping[str, tuple[Bad, ...]]] = {
    "open the charter": (
        Bad("POST", CHARTER, {"platform": "Other"}, POLICY_DESK, 409, "charter_already_open"),
        Bad("POST", CHARTER, {"platform": ""}, POLICY_DESK, 422, "string_too_short"),
        Bad("POST", CHARTER, {"platform": "Other"}, PLATFORM, 403),
        Bad("POST", CHARTER, {"platform": "Other"}, None, 401, "missing"),
    ),
    "tighten the charter": (
        Bad(
            "PATCH",
            CHARTER,
            {"min_notice_period": "P30D"},
            POLICY_DESK,
            422,
            "charter_only_tightens",
        ),
        Bad(
            "PATCH",
            CHARTER,
            {"min_notice_period": "P29DT23H"},
            POLICY_DESK,
            422,
            "charter_only_tightens",
        ),
        Bad("PATCH", CHARTER, {"min_notice_period": "P1M"}, POLICY_DESK, 422, "value_error"),
        Bad("PATCH", CHARTER, {"min_notice_period": "P36501D"}, POLICY_DESK, 422, "value_error"),
        Bad("PATCH", CHARTER, {"min_notice_period": "P60D"}, AUDITOR, 403),
    ),
    "name a use": (
        Bad("PUT", "/v1/uses/Training", _NAMES, POLICY_DESK, 422, "value_error"),
        Bad("PUT", "/v1/uses/training", {"names": {}}, POLICY_DESK, 422, "too_short"),
        Bad("PUT", "/v1/uses/training", {"names": {"??": "x"}}, POLICY_DESK, 422),
        Bad("PUT", "/v1/uses/training", {"names": {"en": "\0"}}, POLICY_DESK, 422, "value_error"),
        Bad(
            "PUT",
            "/v1/uses/training",
            {"names": {f"en-{n:04}": "ü" * 1_000 for n in range(100)}},
            POLICY_DESK,
            422,
            "too_long_for_the_ledger",
        ),
        Bad("PUT", "/v1/uses/training", _NAMES, PLATFORM, 403),
    ),
    "publish a policy": (
        policy(422, "notice_period_too_short", notice_period="P29D"),
        policy(422, "open_not_possible", mode="open"),
        policy(422, "editorial_changes_more", mode="opt_in", editorial=True),
        policy(422, "nothing_to_edit", use="other.use", editorial=True),
        policy(409, "not_a_leaf", use="discovery"),
        policy(409, "not_a_leaf", use=f"{RECOMMENDATION}.deeper"),
        policy(409, "other_version_published", after=2),
        policy(422, "value_error", recipients=["partner:"]),
        policy(422, "value_error", recipients=["partner:\0"]),
        policy(422, "too_short", texts={}),
        policy(
            422,
            "too_long_for_the_ledger",
            recipients=[f"partner:{n}{'ü' * 180}" for n in range(500)],
        ),
        policy(422, "string_type", notice_period=None),
        Bad("POST", POLICIES, draft("opt_in"), PLATFORM, 403),
    ),
    "register artists": (
        Bad(
            "POST",
            "/v1/artists",
            {"artists": [{"artist": "new"}, {"artist": "new"}]},
            PLATFORM,
            422,
            "repeated",
        ),
        Bad(
            "POST",
            "/v1/artists",
            {"artists": [{"artist": "new"}, {"artist": LONG}]},
            PLATFORM,
            422,
            "string_too_long",
        ),
        Bad("POST", "/v1/artists", {"artists": []}, PLATFORM, 422, "too_short"),
        Bad("POST", "/v1/artists", {"artists": [{"artist": "new"}]}, PIPELINE, 403),
    ),
    "grant a delegate": (
        Bad("PUT", f"{DELEGATES}/ana", {"may_opt_in": True}, ANA, 422, "own_delegate"),
        Bad("PUT", f"{DELEGATES}/friend", {"may_opt_in": True}, LABEL, 404, "unknown_artist"),
        Bad("PUT", f"{DELEGATES}/label", {"may_opt_in": True}, LABEL, 404, "unknown_artist"),
        Bad("PUT", f"{DELEGATES}/x", {"may_opt_in": True}, person("ben"), 404, "unknown_artist"),
        Bad(
            "PUT",
            f"{DELEGATES}/x",
            {"may_opt_in": True},
            machine("ana", *ANA.scopes),
            404,
            "unknown_artist",
        ),
        Bad("PUT", f"{DELEGATES}/{LONG}", {"may_opt_in": True}, ANA, 422, "string_too_long"),
        Bad("PUT", "/v1/artists/nobody/delegates/x", {}, PLATFORM, 404, "unknown_artist"),
    ),
    "revoke a delegate": (
        Bad("DELETE", f"{DELEGATES}/nobody", None, ANA, 404, "unknown_delegate"),
        Bad("DELETE", f"{DELEGATES}/label", None, LABEL, 404, "unknown_artist"),
        Bad("DELETE", f"{DELEGATES}/label", None, person("ben"), 404, "unknown_artist"),
        Bad("DELETE", f"{DELEGATES}/label", None, AUDITOR, 403),
    ),
    "put content": (
        content(422, "unknown_artist", {"content": "c", "rightsholders": ["nobody"]}),
        content(422, "repeated", {"content": "c", "rightsholders": ["ana", "ana"]}),
        content(422, "repeated", {"content": "new", "rightsholders": ["ben"]}),
        content(422, "enum", {"content": "c", "rightsholders": ["ana"], "status": "gone"}),
        content(
            422, "string_pattern_mismatch", {"content": "c", "rightsholders": ["ana"], "isrc": "x"}
        ),
        content(422, "extra_forbidden", {"content": "c", "rightsholders": ["ana"], "x": 1}),
        Bad("POST", "/v1/content", {"content": [PUT_SONG]}, ANA, 403),
    ),
    "record a consent": (
        consent(422, "nothing_to_say_yes_to", use="unknown.use"),
        consent(422, "nothing_to_say_yes_to", recipient="partner:musiio"),
        consent(422, "already_expired", expires_at="2026-01-01T00:00:00Z"),
        consent(422, "only_a_yes_expires", answer="opt_out", expires_at="2126-01-01T00:00:00Z"),
        consent(422, "outdated_version_shown", shown=[{"use": MUSIC, "version": 2}]),
        consent(422, "not_covered", shown=[{"use": RECOMMENDATION, "version": 1}]),
        consent(
            422,
            "other_words_shown",
            shown=[{"use": MUSIC, "version": 1, "text_sha256": "0" * 64}],
        ),
        consent(422, "unknown_content", content="nowhere"),
        consent(403, "delegate_may_not_opt_in", by=LABEL),
        consent(403, "delegate_may_not_opt_in", by=LABEL, answer="inherit", use=VOICE),
        consent(404, "unknown_artist", by=person("former")),
        consent(404, "unknown_artist", by=person("ben")),
        consent(404, "unknown_artist", by=machine("ana", *ANA.scopes)),
        consent(403, None, by=PIPELINE),
        consent(422, "value_error", content="\0"),
        consent(422, "less_than_equal", shown=[{"use": MUSIC, "version": 10**30}]),
        Bad("POST", "/v1/artists/nobody/consents", NO, PLATFORM, 404, "unknown_artist"),
    ),
    "confirm deliveries": (
        deliveries(422, "unknown_artist", {"artist": "nobody", "channel": "email"}),
        deliveries(422, "repeated", {"artist": "ana", "channel": "push"}),
        deliveries(422, "enum", {"artist": "ben", "channel": "email", "outcome": "read"}),
        deliveries(
            422, "value_error", {"artist": "ben", "channel": "email", "reported_at": "today"}
        ),
        Bad(
            "POST",
            f"/v1/notices/{RECOMMENDATION}:2/deliveries",
            {"deliveries": [TOLD_ANA]},
            PLATFORM,
            404,
            "unknown_notice",
        ),
        Bad("POST", DELIVERIES, {"deliveries": [TOLD_ANA]}, POLICY_DESK, 403),
    ),
}


async def prepare(story: Story) -> None:
    """Begin, with a label that may not say yes, a former delegate, a no and a delivery."""
    await story.begin()
    await story.delegate("ana", "label")
    await story.delegate("ana", "former", may_opt_in=True)
    await story.door.done("DELETE", f"{DELEGATES}/former", by=ANA)
    await story.say("ana", "opt_out", VOICE)
    await story.deliver(f"{MUSIC}:1", "ben")


@pytest.mark.parametrize("writer", REFUSED)
async def test_a_refused_write_changes_nothing(story: Story, writer: str) -> None:
    """Whatever is wrong with it: every row of every table, the ledger's head too, is as it was."""
    await prepare(story)
    before = await everything(story.door.database_url)
    for n, bad in enumerate(REFUSED[writer]):
        response = await story.door.ask_seeing(
            bad.method, bad.path, bad.body, by=bad.by, key=f"key-{n}"
        )
        codes = [error["code"] for error in response.json().get("errors", [])]
        assert response.status_code == bad.status, f"{bad}: {response.text}"
        assert bad.code is None or codes[0] == bad.code, f"{bad}: {response.text}"
        assert changed(before, await everything(story.door.database_url)) == [], bad


@pytest.mark.parametrize("writer", [writer for writer in REFUSED if writer != "open the charter"])
async def test_nothing_comes_before_the_charter(door: Door, writer: str) -> None:
    """While the ledger has no charter, even a good write is refused and leaves no trace."""
    before = await everything(door.database_url)
    bad = REFUSED[writer][0]
    good: Mapping[str, Any] = {
        "tighten the charter": {"min_notice_period": "P60D"},
        "name a use": _NAMES,
        "publish a policy": draft("opt_out"),
        "register artists": {"artists": [{"artist": "ana"}]},
        "grant a delegate": {"may_opt_in": True},
        "put content": {"content": [{"content": "song", "rightsholders": []}]},
        "record a consent": NO,
        "confirm deliveries": {"deliveries": [TOLD_ANA]},
    }
    path = bad.path.replace("Training", "training")
    response = await door.ask(bad.method, path, good.get(writer), by=bad.by)
    assert response.status_code in {404, 409}, response.text
    assert changed(before, await everything(door.database_url)) == []


async def test_every_table_is_compared(door: Door) -> None:
    """The comparison above overlooks no table that the database has."""
    async with connected(door.database_url) as connection:
        found = await connection.fetch(
            "SELECT n.nspname || '.' || c.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND n.nspname IN ('public', 'private')"
        )
    compared = {name if "." in name else f"public.{name}" for name in metadata.tables}
    assert {row[0] for row in found} - {"public.alembic_version"} == compared


@asynccontextmanager
async def head_held(url: str) -> AsyncIterator[None]:
    """Hold the head row's lock, as another process's committer would."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute("SELECT FROM ledger_head FOR UPDATE")
        yield


async def queued(door: Door, number: int) -> None:
    """Return once so many writes wait behind the one that the committer has taken."""
    appender = door.services.appender
    async with asyncio.timeout(10):
        while appender._queue.qsize() < number:  # noqa: ASYNC110 - a queue tells nobody of itself
            await asyncio.sleep(0.001)


async def in_one_group(door: Door, *bads: Bad) -> list[int]:
    """Send the requests so that one commit takes them all; return their statuses."""
    first = Bad("POST", CONSENTS, NO, ANA, 201)
    async with head_held(door.database_url):
        ahead = asyncio.create_task(door.ask(first.method, first.path, first.body, by=first.by))
        await lock_awaited(door.database_url)
        sent = [
            asyncio.create_task(door.ask(bad.method, bad.path, bad.body, by=bad.by)) for bad in bads
        ]
        await queued(door, len(bads))
    assert (await ahead).status_code == 201
    return [(await one).status_code for one in sent]


async def transactions(url: str, after: int) -> list[str]:
    """Return which transaction wrote each event after a revision."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT xmin::text FROM ledger WHERE revision > $1 ORDER BY revision", after
        )
    return [row[0] for row in rows]


async def test_a_refused_write_leaves_the_others_of_its_group_alone(begun: Story) -> None:
    """One commit takes refused and good writes: the good ones are done, in order, without gaps."""
    door = begun.door
    before = await begun.revision()
    good = [
        Bad("POST", CONSENTS, NO | {"use": MUSIC}, ANA, 201),
        Bad("POST", "/v1/artists", {"artists": [{"artist": "eve"}]}, PLATFORM, 200),
        Bad("POST", "/v1/artists/ben/consents", NO, person("ben"), 201),
    ]
    bad = [
        consent(422, None, by=PLATFORM, content="nowhere", **SHOWN),
        content(422, None, {"content": "c", "rightsholders": ["nobody"]}),
        policy(409, None, use="discovery"),
        deliveries(422, None, {"artist": "nobody", "channel": "email"}),
    ]
    mixed = [bad[0], good[0], bad[1], good[1], bad[2], good[2], bad[3]]
    assert await in_one_group(door, *mixed) == [one.status for one in mixed]
    first, *rest = await transactions(door.database_url, before)
    assert len(rest) == len(good)
    assert len(set(rest)) == 1
    assert first not in rest
    assert await begun.reasons(RECOMMENDATION, "song", "tune", "duet") == ["opted_out"] * 3


async def test_a_write_that_breaks_its_group_breaks_itself_alone(begun: Story) -> None:
    """What the database refuses undoes the commit; the others are then done one by one."""
    door = begun.door
    async with connected(door.database_url) as connection:
        await connection.execute(
            "ALTER TABLE artists ADD CONSTRAINT no_poison CHECK (artist_id <> 'poison')"
        )
    before = await begun.revision()
    poison = Bad("POST", "/v1/artists", {"artists": [{"artist": "poison"}]}, PLATFORM, 503)
    good = [
        Bad("POST", CONSENTS, NO | {"use": MUSIC}, ANA, 201),
        Bad("POST", "/v1/artists/ben/consents", NO, person("ben"), 201),
    ]
    group = [good[0], poison, good[1]]
    assert await in_one_group(door, *group) == [one.status for one in group]
    written = await transactions(door.database_url, before)
    assert len(written) == len(set(written)) == 1 + len(good)
    assert (await door.ask("GET", "/v1/artists/poison", by=PLATFORM)).status_code == 404
    assert await begun.reasons(RECOMMENDATION, "song", "tune") == ["opted_out"] * 2


async def test_many_writers_at_once_are_each_done_or_refused(begun: Story) -> None:
    """Every second of sixty concurrent statements is refused; exactly the others are recorded."""
    door = begun.door
    before = await begun.revision()
    good = Bad("POST", CONSENTS, NO, ANA, 201)
    bad = consent(422, None, by=PLATFORM, content="nowhere", **SHOWN)
    sent = [good, bad] * 30
    answers = await asyncio.gather(
        *(door.ask(one.method, one.path, one.body, by=one.by) for one in sent)
    )
    assert [answer.status_code for answer in answers] == [one.status for one in sent]
    revisions = [answer.json()["revision"] for answer in answers if answer.status_code == 201]
    assert sorted(revisions) == list(range(before + 1, before + 31))


UNTIMELY: Final = (
    Bad("PATCH", CHARTER, {"min_notice_period": "P60D"}, POLICY_DESK, 503),
    Bad("PUT", "/v1/uses/training", _NAMES, POLICY_DESK, 503),
    Bad("POST", POLICIES, draft("opt_in", period="P60D"), POLICY_DESK, 503),
    Bad("POST", "/v1/artists", {"artists": [{"artist": "new"}]}, PLATFORM, 503),
    Bad("PUT", f"{DELEGATES}/friend", {"may_opt_in": True}, ANA, 503),
    Bad("POST", CONSENTS, YES, ANA, 503),
    Bad("POST", DELIVERIES, {"deliveries": [TOLD_ANA]}, PLATFORM, 503),
)


async def test_while_the_time_is_not_known_only_a_no_is_taken(begun: Story) -> None:
    """Each other write is refused without a trace; the no is recorded, and holds."""
    door = begun.door
    before = await everything(door.database_url)
    door.clock.apart = 6 * SECOND
    for n, bad in enumerate(UNTIMELY):
        response = await door.ask_seeing(bad.method, bad.path, bad.body, by=bad.by, key=f"key-{n}")
        assert response.status_code == bad.status, f"{bad}: {response.text}"
        assert response.json()["type"] == "urn:fermata:problem:clocks-disagree"
        assert changed(before, await everything(door.database_url)) == [], bad
    await begun.say("ana", "opt_out")
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]
    door.clock.apart = 0
    for n, bad in enumerate(UNTIMELY):
        response = await door.ask_seeing(bad.method, bad.path, bad.body, by=bad.by, key=f"key-{n}")
        assert response.is_success, f"{bad}: {response.text}"


async def test_a_no_is_taken_beside_writes_that_are_untimely(begun: Story) -> None:
    """They break the commit that they share with it, and it is then done on its own."""
    door = begun.door
    door.clock.apart = 6 * SECOND
    no = Bad("POST", "/v1/artists/ben/consents", NO, person("ben"), 201)
    yes = Bad("POST", CONSENTS, YES | SHOWN, PLATFORM, 503)
    group = [UNTIMELY[3], no, yes]
    assert await in_one_group(door, *group) == [503, 201, 503]
    assert await begun.reasons(RECOMMENDATION, "song", "tune") == ["opted_out"] * 2
