"""How old an answer may be, and what is answered when that cannot be known: never a permit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import pytest

from service.auth.local_issuer import LocalIssuer
from service.domain.instant import SECOND, format_instant
from service.ledger.events import LedgerBroken
from tests.api.door import Door, connected, open_door
from tests.api.people import PIPELINE, PLATFORM, POLICY_DESK
from tests.api.story import MUSIC, RECOMMENDATION, Story

QUESTION: Final = {"use": RECOMMENDATION, "content": ["song"]}
STALE: Final[dict[str, Any]] = {"consistency": {"max_staleness_ms": 60_000}}
NO: Final = {"answer": "opt_out", "use": "*", "channel": "email"}


@asynccontextmanager
async def second_process(door: Door, issuer: LocalIssuer, **changes: Any) -> AsyncIterator[Story]:
    """Run another replica over the same database."""
    async with open_door(door.database_url, issuer, **changes) as other:
        yield Story(other)


async def asked(door: Door, **more: Any) -> httpx2.Response:
    """Ask about the song, whatever comes of it."""
    return await door.ask("POST", "/v1/checks", QUESTION | more, by=PIPELINE)


def knows_nothing(response: httpx2.Response, kind: str = "cannot-know") -> None:
    """The answer is a problem that a client must take for a no, and may try again."""
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "1"
    assert response.json()["type"] == f"urn:fermata:problem:{kind}"
    assert "results" not in response.json()


# Three modes


async def test_strong_is_the_default(begun: Story) -> None:
    """It sees what was written just before, by any process."""
    for body in (QUESTION, QUESTION | {"consistency": "strong"}):
        said = await begun.say("ana", "opt_out")
        answer = (await begun.door.ask("POST", "/v1/checks", body, by=PIPELINE)).json()
        assert answer["revision"] == said["revision"]
        assert answer["results"][0]["reason"] == "opted_out"


async def test_strong_sees_what_another_process_wrote(begun: Story, issuer: LocalIssuer) -> None:
    """A no acknowledged by one replica is seen by every later strong check at another."""
    async with second_process(begun.door, issuer, tail_interval_ms=60_000) as other:
        await other.check(RECOMMENDATION, "song")
        for use, reason in (("discovery", "opted_out"), (RECOMMENDATION, "opted_out")):
            said = await begun.say("ana", "opt_out", use)
            answer = await other.check(RECOMMENDATION, "song")
            assert answer["revision"] == said["revision"]
            assert answer["results"][0]["reason"] == reason


async def test_at_least_waits_for_the_revision_named(begun: Story, issuer: LocalIssuer) -> None:
    """A write's revision, handed to another replica, is seen there."""
    async with second_process(begun.door, issuer, tail_interval_ms=60_000) as other:
        await other.check(RECOMMENDATION, "song")
        said = await begun.say("ana", "opt_out")
        at_least = {"at_least": said["revision"]}
        answer = await other.check(RECOMMENDATION, "song", consistency=at_least)
        assert answer["revision"] >= said["revision"]
        assert answer["results"][0]["reason"] == "opted_out"


async def test_a_weaker_answer_may_be_old_and_says_so(begun: Story, issuer: LocalIssuer) -> None:
    """A replica that looks for news once a minute answers from before, and names that revision."""
    async with second_process(begun.door, issuer, tail_interval_ms=60_000) as other:
        before = await other.check(RECOMMENDATION, "song")
        said = await begun.say("ana", "opt_out")
        for consistency in ({"at_least": 0}, {"max_staleness_ms": 60_000}):
            old = await other.check(RECOMMENDATION, "song", consistency=consistency)
            assert old["revision"] == before["revision"] < said["revision"]
            assert old["results"][0]["permitted"]
        fresh = await other.check(RECOMMENDATION, "song", consistency={"max_staleness_ms": 0})
        assert fresh["revision"] == said["revision"]


async def test_staleness_runs_with_the_clock(begun: Story, issuer: LocalIssuer) -> None:
    """What was fresh enough is not after the time it may be old, and the head is asked again."""
    async with second_process(begun.door, issuer, tail_interval_ms=60_000) as other:
        await other.check(RECOMMENDATION, "song")
        said = await begun.say("ana", "opt_out")
        other.door.clock.ahead += 61 * SECOND
        answer = await other.check(RECOMMENDATION, "song", **STALE)
        assert answer["revision"] == said["revision"]


async def test_a_revision_that_is_not_there_yet_is_a_problem_of_its_asker_alone(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """The asker is told to come back; everybody else is answered as before."""
    async with open_door(movable_url, issuer, head_timeout_ms=200) as door:
        story = Story(door)
        await story.begin()
        ahead = {"at_least": await story.revision() + 1}
        knows_nothing(await asked(door, consistency=ahead))
        assert await story.reasons(RECOMMENDATION, "song") == ["window_closed"]
        await story.say("ana", "opt_out")
        answer = await story.check(RECOMMENDATION, "song", consistency=ahead)
        assert answer["results"][0]["reason"] == "opted_out"


# The head cannot be learnt


@asynccontextmanager
async def headless(door: Door) -> AsyncIterator[None]:
    """Take the ledger's head away for a while; every other table can be reached."""
    async with connected(door.database_url) as connection:
        await connection.execute("ALTER TABLE ledger_head RENAME TO gone")
        try:
            yield
        finally:
            await connection.execute("ALTER TABLE gone RENAME TO ledger_head")


async def test_without_the_head_a_strong_check_knows_nothing(begun: Story) -> None:
    """Not even a denial is given; when the head is back, so are the answers."""
    async with headless(begun.door):
        knows_nothing(await asked(begun.door))
        knows_nothing(await asked(begun.door, use=MUSIC))
        knows_nothing(await asked(begun.door, use="no.such.use"))
        assert (await begun.door.ask("GET", "/readyz")).status_code == 503
        assert (await begun.door.ask("GET", "/livez")).status_code == 200
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]
    assert (await begun.door.ask("GET", "/readyz")).status_code == 200


async def test_without_the_head_a_weaker_check_is_still_answered(begun: Story) -> None:
    """Who allows for old state is answered from it, as long as it is no older."""
    await begun.check(RECOMMENDATION, "song")
    at_least = {"consistency": {"at_least": await begun.revision()}}
    async with headless(begun.door):
        for more in (STALE, at_least):
            assert (await asked(begun.door, **more)).status_code == 200
        begun.door.clock.ahead += 61 * SECOND
        for more in (STALE, at_least):
            knows_nothing(await asked(begun.door, **more))


async def test_without_the_head_no_write_is_taken(begun: Story) -> None:
    """And none has happened."""
    async with headless(begun.door):
        response = await begun.door.ask("POST", "/v1/artists/ana/consents", NO, by=PLATFORM)
        assert response.status_code == 503
        assert response.json()["type"] == "urn:fermata:problem:unavailable"
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


@asynccontextmanager
async def unreachable(door: Door, postgres_url: str) -> AsyncIterator[None]:
    """Close the database to everybody and end every connection, as a failing server does."""
    name = door.database_url.rpartition("/")[2]
    async with connected(postgres_url) as admin:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        try:
            yield
        finally:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_without_the_database_nothing_is_answered(begun: Story, postgres_url: str) -> None:
    """Every mode, reads and writes: 503 and a problem; afterwards it goes on by itself."""
    door = begun.door
    await begun.check(RECOMMENDATION, "song")
    async with unreachable(door, postgres_url):
        for more in ({}, STALE, {"consistency": {"at_least": 0}}):
            knows_nothing(await asked(door, **more))
        for method, path, body, by in (
            ("GET", "/v1/charter", None, None),
            ("GET", "/v1/content/song", None, PLATFORM),
            ("POST", "/v1/artists/ana/consents", NO, PLATFORM),
            ("PUT", "/v1/uses/training", {"names": {"en": "Training"}}, POLICY_DESK),
        ):
            response = await door.ask(method, path, body, by=by)
            assert response.status_code == 503, f"{method} {path}: {response.text}"
            assert response.json()["type"].startswith("urn:fermata:problem:")
    async with asyncio.timeout(10):
        while (await asked(door)).status_code != 200:  # noqa: ASYNC110 - it reconnects by itself
            await asyncio.sleep(0.01)
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]
    assert (await begun.say("ana", "opt_out"))["revision"] == await begun.revision()


# The clocks disagree


@pytest.mark.parametrize("apart", [6 * SECOND, -6 * SECOND], ids=["ahead", "behind"])
async def test_while_the_clocks_disagree_no_window_is_trusted(begun: Story, apart: int) -> None:
    """Beyond the bound, what silence permits is not answered; what was said still is."""
    await begun.say("ana", "opt_in", MUSIC)
    begun.door.clock.apart = apart
    knows_nothing(await asked(begun.door), "clocks-disagree")
    knows_nothing(await asked(begun.door, content=["nowhere", "song"]), "clocks-disagree")
    assert await begun.reasons(MUSIC, "song", "tune", "nowhere") == [
        "opted_in",
        "no_opt_in",
        "unknown_content",
    ]
    await begun.say("ben", "opt_out")
    assert await begun.reasons(RECOMMENDATION, "tune", "duet") == ["opted_out", "opted_out"]
    begun.door.clock.apart = 0
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


async def test_while_the_clocks_disagree_no_end_is_trusted(begun: Story) -> None:
    """A yes until a day may be over, for all that anybody knows; a no needs no clock."""
    head = await begun.door.services.heads.read()
    until = format_instant(head.now + 3_600 * SECOND)
    await begun.say("ana", "opt_in", MUSIC, expires_at=until)
    begun.door.clock.apart = 6 * SECOND
    knows_nothing(await asked(begun.door, use=MUSIC), "clocks-disagree")
    await begun.say("ana", "opt_out", MUSIC)
    assert await begun.reasons(MUSIC, "song") == ["opted_out"]


async def test_clocks_may_be_a_little_apart(begun: Story) -> None:
    """Within the bound the ledger's clock is simply the one that counts."""
    begun.door.clock.apart = 4 * SECOND
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


async def test_open_terms_need_no_clock(story: Story) -> None:
    """They permit without a window."""
    await story.open_charter()
    await story.publish("safety.fraud", "open")
    await story.register("ana")
    await story.put("song", "ana")
    story.door.clock.apart = 20 * SECOND
    assert await story.reasons("safety.fraud", "song") == ["open"]


async def test_no_rightsholder_is_permitted_by_a_window_that_is_not_trusted(begun: Story) -> None:
    """One yes does not make up for the other rightsholder's window."""
    await begun.say("ana", "opt_in", RECOMMENDATION)
    assert await begun.reasons(RECOMMENDATION, "duet") == ["opted_in"]
    begun.door.clock.apart = 6 * SECOND
    knows_nothing(await asked(begun.door, content=["duet"]), "clocks-disagree")


# The ledger contradicts itself

TAMPERED: Final = {
    "a leaf": "UPDATE ledger SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
    " 'P30D', 'P31D'), 'UTF8') WHERE revision = 1",
    "a leaf and its hash": "UPDATE ledger SET"
    " leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'P30D', 'P31D'), 'UTF8'),"
    " leaf_hash = sha256('\\x00'::bytea || convert_to(replace(convert_from(leaf, 'UTF8'),"
    " 'P30D', 'P31D'), 'UTF8')) WHERE revision = 1",
    "a time": "UPDATE ledger SET recorded_at = recorded_at - interval '1 day' WHERE revision = 1",
    "a kind": "UPDATE ledger SET kind = 'charter.tightened' WHERE revision = 1",
    "a batch": "UPDATE ledger_batches SET body = convert_to(replace(convert_from(body, 'UTF8'),"
    " '\"active\"', '\"locked\"'), 'UTF8')",
    "what somebody said": "UPDATE private.event_details"
    " SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)",
    "an event": "DELETE FROM ledger WHERE kind = 'policy.published' AND revision = 2",
    "the last event": "DELETE FROM ledger WHERE revision = (SELECT max(revision) FROM ledger)",
    "the tree": "UPDATE ledger_head SET stack = set_byte(stack, 0, get_byte(stack, 0) # 1)",
}


async def tamper(door: Door, statement: str) -> None:
    """Change what must not be changed, as somebody with the database in hand could."""
    tables = ("ledger", "ledger_batches", "ledger_head")
    async with connected(door.database_url) as connection, connection.transaction():
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        assert (await connection.execute(statement)).split()[-1] != "0"


@pytest.mark.parametrize("what", TAMPERED)
async def test_nothing_is_answered_from_a_ledger_that_was_edited(
    begun: Story, issuer: LocalIssuer, what: str
) -> None:
    """A process that reads it finds out, and answers no check at all, in no mode.

    Where the log it would sign is not that of the events, it does not even start.
    """
    await begun.say("ana", "opt_out")
    await tamper(begun.door, TAMPERED[what])
    async with contextlib.AsyncExitStack() as stack:
        try:
            other = await stack.enter_async_context(second_process(begun.door, issuer))
        except LedgerBroken:
            return
        knows_nothing(await asked(other.door))
        for more in (STALE, {"consistency": {"at_least": 0}}):
            knows_nothing(await asked(other.door, **more))
        assert (await other.door.ask("GET", "/readyz")).status_code == 503


async def test_a_ledger_that_goes_back_is_not_believed(begun: Story) -> None:
    """A running process that has seen more events than there are answers nothing any more."""
    await begun.check(RECOMMENDATION, "song")
    await tamper(
        begun.door, "UPDATE ledger_head SET size = size - 1, recorded_at = recorded_at + '1 s'"
    )
    async with asyncio.timeout(10):
        while (await asked(begun.door)).status_code == 200:  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.005)
    knows_nothing(await asked(begun.door))
