"""The follower: it tells the index everything, and stops for good where the ledger is not whole."""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.decisions.follower import NotThereYet
from service.decisions.question import AtLeast, Consistency, MaxStaleness, Strong
from service.domain.consent import Answer, Scope
from service.domain.decision import Query
from service.domain.instant import SECOND
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender
from service.ledger.events import LedgerBroken
from service.policies.publish import publish_policy
from tests.api.door import make_issuer, open_door
from tests.api.people import PIPELINE
from tests.decisions.following import CALLER, Replica, about_content, decisions, replica
from tests.faults.proxy import Proxy
from tests.judge.histories import LEAVES, RECIPIENTS
from tests.ledger.playing import instant_of, playable, write_of
from tests.ledger.seeing import record_seeing
from tests.ledger.stopped_clock import set_clock, stop_clock
from tests.ledger.writing import KEY, appending, connected, open_ledger, recording_only

KEY_TEXT = SecretStr(b64encode(KEY).decode())
DISCOVERY = "discovery"
QUESTION = about_content(DISCOVERY, "t1")
EVERY_CONSISTENCY: tuple[Consistency, ...] = (
    Strong(),
    AtLeast(0),
    MaxStaleness(3_600 * SECOND),
)


@pytest.fixture
async def appender(database_url: str) -> AsyncIterator[Appender]:
    """Write to a ledger of seven events: charter, policy, artist, content, a no, a yes, a no."""
    terms = PolicyDraft(DISCOVERY, Mode.OPT_OUT, frozenset({"internal"}), SECOND, {"en": "A"})
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(publish_policy(terms))
        await appender.submit(register_artists([ArtistRow("ana")]))
        await appender.submit(put_content([ContentRow("t1", ("ana",))]))
        for answer in (Answer.OPT_OUT, Answer.OPT_IN, Answer.OPT_OUT):
            said = Statement(answer, Scope(DISCOVERY), "settings_page")
            await appender.submit(record_seeing("ana", said, Actor("ana", is_platform=False)))
        yield appender


async def tamper(url: str, *statements: str) -> None:
    """Change what must not be changed, as somebody could who owns the server."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def state(one: Replica) -> dict[str, Any]:
    """Return everything an index holds at the ledger's tail, but for its kept answers."""
    await one.catch_up()
    return {
        "revision": (one.index.revision, one.index.recorded_at),
        "policies": one.index.history.versions,
        "artists": dict(one.index.history.artists),
        "content": dict(one.index.history.content),
        "tree": one.index.range,
        "ids": {s: one.index.artist_id(s) for s in one.index.history.artists},
    }


# -- following -------------------------------------------------------------------------------------


async def test_an_index_that_lived_through_it_is_one_that_read_it_afterwards(
    database_url: str,
) -> None:
    """A random history, with questions in between: the same as a fresh index at the end of it."""
    await stop_clock(database_url)
    rng = random.Random(random.getrandbits(32))
    async with (
        appending(database_url) as appender,
        replica(database_url) as lived,
        connected(database_url) as clock,
    ):
        await open_ledger(appender)
        for event in playable(rng, 60)["events"]:
            await set_clock(clock, instant_of(event))
            await appender.submit(write_of(event))
            if rng.random() < 0.5:
                await lived.catch_up()
                for use in LEAVES:
                    query = Query(use, rng.choice(RECIPIENTS), content="t1")
                    lived.index.decide(query, instant_of(event))
        async with replica(database_url) as fresh:
            assert await state(lived) == await state(fresh)
            assert fresh.index.revision > 20


async def test_more_events_than_are_read_at_once(database_url: str) -> None:
    """Twelve hundred events are read in parts, in order, to the end."""
    async with appending(database_url) as appender, replica(database_url) as one:
        await open_ledger(appender)
        await asyncio.gather(*(appender.submit(recording_only(f"u{n}")) for n in range(1_200)))
        await one.catch_up()
        assert one.index.revision == 1_201


async def test_it_goes_on_when_the_database_is_back(appender: Appender, database_url: str) -> None:
    """Connections that break are made anew, and nothing is missed or taken twice."""
    async with Proxy(database_url) as proxy, replica(proxy.url) as one:
        await one.catch_up()
        for number in range(5):
            await proxy.cut()
            await appender.submit(recording_only(f"u{number}"))
        await one.follower.reach(7 + 5, timeout=30)
        assert one.follower.broken is None


async def test_a_revision_that_never_comes_is_waited_for_and_no_more(
    appender: Appender, database_url: str
) -> None:
    """Whoever asks for it is told "not yet"; the ledger is not taken for broken on their word."""
    async with replica(database_url, timeout=0.2) as one:
        await one.catch_up()
        too_far = about_content(DISCOVERY, "t1", consistency=AtLeast(10**15))
        for _ in range(3):
            with pytest.raises(NotThereYet):
                await one.checker.answer(too_far, CALLER)
        assert one.follower._waiters == []
        assert one.follower.broken is None
        assert (await one.checker.answer(QUESTION, CALLER)).revision == 7


async def test_a_revision_that_is_on_its_way_is_waited_for(
    appender: Appender, database_url: str
) -> None:
    """Asked for the next revision, a check is answered once that event has been written."""
    async with replica(database_url) as one:
        await one.catch_up()
        next_one = about_content(DISCOVERY, "t1", consistency=AtLeast(8))
        asked = asyncio.create_task(one.checker.answer(next_one, CALLER))
        await asyncio.sleep(0)
        await appender.submit(recording_only("u"))
        assert (await asked).revision == 8


# -- a ledger that is not whole --------------------------------------------------------------------


class Tampering(NamedTuple):
    """What somebody does to the database, and what is found then."""

    found: str
    statements: tuple[str, ...]


def found(message: str, *statements: str) -> Tampering:
    """Return the tampering that executes these statements."""
    return Tampering(message, statements)


ALTERED = {
    "an event is gone": found(
        "event 6 is missing",
        "DELETE FROM ledger WHERE revision = 6",
    ),
    "the last event is gone": found(
        "should hold 7 events and ends at 6",
        "DELETE FROM ledger WHERE revision = 7",
    ),
    "a leaf says something else": found(
        "event 2: its bytes",
        "UPDATE ledger SET leaf = overlay(leaf PLACING 'X'::bytea FROM 20) WHERE revision = 2",
    ),
    "a leaf and its hash say something else": found(
        "the tree at revision 7",
        "UPDATE ledger SET leaf = replace(encode(leaf, 'escape'), 'opt_out', 'opt_in')::bytea"
        " WHERE revision = 2",
        "UPDATE ledger SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE revision = 2",
    ),
    "a hash is another one": found(
        "event 5: its bytes",
        "UPDATE ledger SET leaf_hash = sha256('') WHERE revision = 5",
    ),
    "two events have changed places": found(
        "event 5: its row says another kind or time",
        "UPDATE ledger l SET leaf = o.leaf, leaf_hash = o.leaf_hash, kind = o.kind"
        " FROM ledger o WHERE (l.revision, o.revision) IN ((5, 7), (7, 5))",
    ),
    "a kind is another one": found(
        "event 7: its row says another kind or time",
        "UPDATE ledger SET kind = 'delegate.granted' WHERE revision = 7",
    ),
    "a time is another one": found(
        "event 7: its row says another kind or time",
        "UPDATE ledger SET recorded_at = recorded_at + interval '1 microsecond' WHERE revision = 7",
    ),
    "a batch is another one": found(
        "event 4: its batch",
        "UPDATE ledger_batches SET body = '[]' WHERE revision = 4",
    ),
    "a batch is gone": found(
        "event 4: its batch",
        "DELETE FROM ledger_batches WHERE revision = 4",
    ),
    "a private part is another one's": found(
        "private part of event 7 was altered",
        "UPDATE private.event_details d SET ciphertext = o.ciphertext"
        " FROM private.event_details o WHERE d.revision = 7 AND o.revision = 6",
    ),
    "a private part is damaged": found(
        "private part of event 7 was altered",
        "UPDATE private.event_details SET ciphertext = ciphertext || 'x' WHERE revision = 7",
    ),
    "a key is damaged": found(
        "FERMATA_KEY_ENCRYPTION_KEY",
        "UPDATE private.subjects SET wrapped_key = 'x'",
    ),
    "the tree has a node more": found(
        "the tree at revision 7",
        "UPDATE ledger_head SET stack = sha256('') || stack",
    ),
    "the tree's last node is another one": found(
        "the tree at revision 7",
        "UPDATE ledger_head SET stack = overlay(stack PLACING sha256('') FROM 65)",
    ),
    "an event is of a kind that nobody knows": found(
        "event 1 cannot be understood",
        "UPDATE ledger SET kind = 'unheard.of', leaf = replace(encode(leaf, 'escape'),"
        " 'charter.opened', 'unheard.of')::bytea WHERE revision = 1",
        "UPDATE ledger SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE revision = 1",
    ),
}


@pytest.mark.parametrize("tampering", ALTERED.values(), ids=ALTERED.keys())
async def test_a_ledger_that_was_altered_answers_nothing(
    appender: Appender, database_url: str, tampering: Tampering
) -> None:
    """Whoever reads it anew finds it, stops for good, and gives no answer of any consistency."""
    async with replica(database_url) as sound:
        assert not (await sound.checker.answer(QUESTION, CALLER)).answers.permitted[0]
    await tamper(database_url, *tampering.statements)
    async with replica(database_url) as one:
        with pytest.raises(LedgerBroken, match=tampering.found):
            await one.catch_up()
        await nothing_is_answered(one)


async def test_refusing_for_a_long_time_keeps_nothing(
    appender: Appender, database_url: str
) -> None:
    """Every check is refused with an error of its own, whose frames go when it does."""
    await tamper(database_url, "DELETE FROM ledger WHERE revision = 6")
    async with replica(database_url) as one:
        refusals = []
        for _ in range(3):
            with pytest.raises(LedgerBroken, match="event 6 is missing") as refused:
                await one.checker.answer(QUESTION, CALLER)
            refusals.append(refused.value)
        assert len({id(refusal) for refusal in [*refusals, one.follower.broken]}) == 4


async def test_a_ledger_that_was_altered_is_503_at_the_door(
    appender: Appender, database_url: str
) -> None:
    """No check of any consistency is answered, and the replica is not ready; but it lives.

    What was said is altered here: with other leaves the service would not even start.
    """
    await tamper(
        database_url,
        "UPDATE private.event_details"
        " SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)",
    )
    async with open_door(database_url, make_issuer(), key_encryption_key=KEY_TEXT) as door:
        for consistency in ("strong", {"at_least": 0}, {"max_staleness_ms": 3_600_000}):
            body = {"use": DISCOVERY, "content": ["t1"], "consistency": consistency}
            refused = await door.ask("POST", "/v1/checks", body, by=PIPELINE)
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:fermata:problem:cannot-know"
        assert (await door.ask("GET", "/readyz")).status_code == 503
        assert (await door.ask("GET", "/livez")).status_code == 200


async def test_nothing_is_taken_in_while_somebody_holds_the_index(
    appender: Appender, database_url: str
) -> None:
    """A long answer ends at the revision at which it began; then the event comes, of itself."""
    async with replica(database_url) as one:
        await one.catch_up()
        before = one.index.revision
        async with one.follower.stillness.held():
            said = Statement(Answer.OPT_IN, Scope(DISCOVERY), "settings_page")
            await appender.submit(record_seeing("ana", said, Actor("ana", is_platform=False)))
            with pytest.raises(NotThereYet):
                await one.follower.reach(before + 1, timeout=0.3)
            assert one.index.revision == before
        await one.follower.reach(before + 1, timeout=30)


async def test_who_listens_hears_of_every_event_and_of_nothing_else(
    appender: Appender, database_url: str
) -> None:
    """Waking up costs them something, so that a look at the head alone wakes nobody."""
    async with replica(database_url, interval=0.01) as one:
        await one.catch_up()
        with one.follower.subscribe() as news:
            assert not await news.wait(0.2)
            said = Statement(Answer.OPT_IN, Scope(DISCOVERY), "settings_page")
            await appender.submit(record_seeing("ana", said, Actor("ana", is_platform=False)))
            assert await news.wait(30)
            assert not await news.wait(0.2)
        await appender.submit(record_seeing("ana", said, Actor("ana", is_platform=False)))
        await one.catch_up()
        assert not news.arrived.is_set()


async def nothing_is_answered(one: Replica) -> None:
    """See that every kind of check is refused, now and after another look."""
    assert one.follower.broken is not None
    one.follower.look()
    for consistency in EVERY_CONSISTENCY:
        for at in (None, 1):
            check = about_content(DISCOVERY, "t1", consistency=consistency, at=at)
            with pytest.raises(LedgerBroken):
                await one.checker.answer(check, CALLER)


async def test_a_gap_in_what_is_new_stops_a_follower_that_was_there_before(
    appender: Appender, database_url: str
) -> None:
    """It had everything up to the gap and could answer, and must not."""
    async with Proxy(database_url) as proxy, replica(proxy.url) as one:
        await one.catch_up()
        proxy.stall()
        await proxy.cut()
        for number in range(3):
            await appender.submit(recording_only(f"u{number}"))
        await tamper(database_url, "DELETE FROM ledger WHERE revision = 9")
        proxy.release()
        with pytest.raises(LedgerBroken, match="event 9 is missing"):
            await one.follower.reach(10, timeout=30)
        await nothing_is_answered(one)


async def test_a_ledger_that_went_back_is_found(appender: Appender, database_url: str) -> None:
    """A restored backup, say: what it has forgotten was told to others."""
    async with replica(database_url) as one:
        await one.catch_up()
        before = await state(one)
        await tamper(
            database_url,
            "DELETE FROM ledger WHERE revision = 7",
            "UPDATE ledger_head SET size = 6, stack = substr(stack, 1, 64)",
        )
        await until_broken(one)
        assert "went back from 7 events to 6" in str(one.follower.broken)
        assert before["revision"][0] == one.index.revision == 7
        await nothing_is_answered(one)


async def test_other_events_in_place_of_those_that_were_read_are_found(
    appender: Appender, database_url: str
) -> None:
    """A ledger rewritten from the middle on, whole in itself, is not the one that was read."""
    async with Proxy(database_url) as proxy, replica(proxy.url) as one:
        await one.catch_up()
        proxy.stall()
        await proxy.cut()
        await tamper(
            database_url,
            "DELETE FROM ledger WHERE revision = 7",
            "UPDATE ledger_head SET size = 6, stack = substr(stack, 1, 64)",
        )
        async with appending(database_url) as other:
            for number in range(3):
                await other.submit(recording_only(f"u{number}"))
        proxy.release()
        await until_broken(one)
        assert "tree" in str(one.follower.broken)
        await nothing_is_answered(one)


async def until_broken(one: Replica) -> None:
    """Return once the follower has stopped."""
    with pytest.raises(LedgerBroken):
        await one.follower.reach(10**9, timeout=30)


async def test_what_was_said_and_is_lost_denies(appender: Appender, database_url: str) -> None:
    """Somebody removes the private part of a no: its artist permits nothing any more."""
    await tamper(database_url, "DELETE FROM private.event_details WHERE revision = 7")
    async with replica(database_url) as one:
        decision = decisions(await one.checker.answer(QUESTION, CALLER))[0]
        assert (decision.permitted, decision.reason) == (False, "artist_erased")
