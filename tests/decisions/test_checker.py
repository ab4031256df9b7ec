"""A check: as new as asked for, by the ledger's clock, durably logged, or no answer at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
import pytest

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.decisions.follower import NotThereYet
from service.decisions.log import LogUnavailable
from service.decisions.question import AtLeast, Check, Consistency, MaxStaleness, Strong
from service.domain.consent import Answer, Scope
from service.domain.instant import LATEST, SECOND, to_instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender
from service.ledger.head import HeadUnknown
from service.ledger.ledger_clock import ClocksDisagree
from service.policies.publish import publish_policy
from tests.decisions.following import (
    CALLER,
    HandClock,
    Replica,
    about_artists,
    about_content,
    decisions,
    replica,
)
from tests.decisions.log.deciding import outcomes_of
from tests.faults.proxy import Proxy
from tests.ledger.seeing import record_seeing
from tests.ledger.writing import appending, connected, open_ledger

HOUR = 3_600 * SECOND
DISCOVERY, FRAUD = "discovery", "fraud"
OPENED = 7
"""The revision of the ledger that every test here starts with."""
QUESTION = about_content(DISCOVERY, "solo")


def terms(use: str, mode: Mode) -> PolicyDraft:
    """Return launch terms."""
    return PolicyDraft(use, mode, frozenset({"internal"}), SECOND, {"en": "A"})


async def say(appender: Appender, artist: str, answer: Answer) -> int:
    """Record what an artist says about everything, and return its revision."""
    said = Statement(answer, Scope("*"), "settings_page")
    answered = await appender.submit(record_seeing(artist, said, Actor(artist, is_platform=False)))
    revision: int = answered.body["revision"]
    return revision


@pytest.fixture
async def appender(database_url: str) -> AsyncIterator[Appender]:
    """Write to a ledger with launch terms and two artists, of whom ben has said yes."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(publish_policy(terms(DISCOVERY, Mode.OPT_OUT)))
        await appender.submit(publish_policy(terms(FRAUD, Mode.OPEN)))
        await appender.submit(register_artists([ArtistRow("ana"), ArtistRow("ben")]))
        rows = [ContentRow("solo", ("ana",)), ContentRow("his", ("ben",))]
        await appender.submit(put_content(rows))
        await appender.submit(put_content([ContentRow("duet", ("ben", "ana"))]))
        assert await say(appender, "ben", Answer.OPT_IN) == OPENED
        yield appender


def asking(consistency: Consistency) -> Check:
    """Return the question with this consistency."""
    return replace(QUESTION, consistency=consistency)


async def permitted(one: Replica, check: Check) -> tuple[int, bool]:
    """Return the revision of the answer, and whether it is a permit."""
    answer = await one.checker.answer(check, CALLER)
    return answer.revision, bool(answer.answers.permitted[0])


# -- consistency -----------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [Strong(), AtLeast(OPENED + 1), MaxStaleness(0)])
async def test_how_old_an_answer_may_be(
    appender: Appender, database_url: str, new: Consistency
) -> None:
    """A replica that has not looked since answers from what it has, if that is what is asked for.

    `strong` and `at_least` the no's own revision see it; so does a staleness of nothing at all.
    """
    async with replica(database_url, interval=3_600) as one:
        await one.catch_up()
        assert await say(appender, "ana", Answer.OPT_OUT) == OPENED + 1
        for weak in (AtLeast(OPENED), MaxStaleness(HOUR)):
            assert await permitted(one, asking(weak)) == (OPENED, True)
        assert await permitted(one, asking(new)) == (OPENED + 1, False)


async def test_staleness_counts_from_when_the_head_was_asked_for(
    appender: Appender, database_url: str
) -> None:
    """As time goes by a replica that hears nothing new becomes too old for what is asked."""
    clock = HandClock()
    async with replica(database_url, clock=clock, interval=3_600, max_disagreement=LATEST) as one:
        await one.catch_up()
        revision = await say(appender, "ana", Answer.OPT_OUT)
        clock.monotonic_ahead = HOUR - 60 * SECOND
        assert await permitted(one, asking(MaxStaleness(HOUR))) == (revision - 1, True)
        clock.monotonic_ahead = HOUR + 60 * SECOND
        assert await permitted(one, asking(MaxStaleness(HOUR))) == (revision, False)


async def test_when_the_head_cannot_be_learnt(appender: Appender, database_url: str) -> None:
    """No strong check is answered; weaker ones as long as their own condition holds."""
    clock = HandClock()
    async with (
        Proxy(database_url) as proxy,
        replica(proxy.url, tables_url=database_url, clock=clock, timeout=0.2) as one,
    ):
        await one.catch_up()
        proxy.stall()
        with pytest.raises(HeadUnknown):
            await one.checker.answer(QUESTION, CALLER)
        for weak in (AtLeast(OPENED), MaxStaleness(HOUR)):
            assert await permitted(one, asking(weak)) == (OPENED, True)
        with pytest.raises(NotThereYet):
            await one.checker.answer(asking(AtLeast(OPENED + 1)), CALLER)
        clock.monotonic_ahead = 2 * HOUR
        for old in (AtLeast(OPENED), MaxStaleness(HOUR)):  # the clock has not been read for long
            with pytest.raises(HeadUnknown):
                await one.checker.answer(asking(old), CALLER)
        proxy.release()


async def test_a_strong_check_waits_for_an_index_that_is_behind(
    appender: Appender, database_url: str
) -> None:
    """It has learnt the head and the events do not come: no answer from what is there."""
    async with (
        Proxy(database_url) as tail,
        replica(tail.url, tables_url=database_url, timeout=0.3) as one,
    ):
        await one.catch_up()
        await say(appender, "ana", Answer.OPT_OUT)
        one.follower._task.cancel()  # type: ignore[union-attr] # as if it hung
        with pytest.raises(NotThereYet):
            await one.checker.answer(QUESTION, CALLER)


async def test_an_answer_names_its_revision_and_the_ledgers_time(
    appender: Appender, database_url: str
) -> None:
    """Not the replica's own time, even where that one is hours off."""
    clock = HandClock()
    clock.wall_ahead = 5 * HOUR
    async with replica(database_url, clock=clock) as one, connected(database_url) as connection:
        before = to_instant(await connection.fetchval("SELECT clock_timestamp()"))
        answer = await one.checker.answer(about_content(DISCOVERY, "his"), CALLER)
        after = to_instant(await connection.fetchval("SELECT clock_timestamp()"))
        assert before <= answer.evaluated_at <= after
        assert answer.revision == OPENED


# -- one clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [-6 * SECOND, 6 * SECOND])
async def test_nothing_is_permitted_by_window_while_the_clocks_disagree(
    appender: Appender, database_url: str, apart: int
) -> None:
    """Not for one rightsholder of several either. What needs no clock is answered, noes as well."""
    clock = HandClock()
    async with replica(database_url, clock=clock) as one:
        await one.catch_up()
        clock.wall_ahead = apart
        await one.heads.read()
        for by_window in (("solo",), ("duet",), ("his", "solo"), ("his", "duet")):
            with pytest.raises(ClocksDisagree):
                await one.checker.answer(about_content(DISCOVERY, *by_window), CALLER)
        answer = await one.checker.answer(about_content(DISCOVERY, "his", "nothing"), CALLER)
        assert [d.reason for d in decisions(answer)] == ["opted_in", "unknown_content"]
        for use, reason in ((FRAUD, "open"), ("unheard.of", "unknown_use")):
            answer = await one.checker.answer(replace(QUESTION, use=use), CALLER)
            assert [d.reason for d in decisions(answer)] == [reason]

        clock.wall_ahead = 0
        assert await permitted(one, QUESTION) == (OPENED, True)


# -- the log ---------------------------------------------------------------------------------------


async def logged(connection: asyncpg.Connection) -> list[Any]:
    """Return every row of the decision log, oldest first."""
    rows: list[Any] = await connection.fetch("SELECT * FROM decisions ORDER BY answered_at")
    return rows


async def test_every_answer_is_in_the_log_as_it_was_given(
    appender: Appender, database_url: str
) -> None:
    """Who asked what, at which revision, and each result with its reason and interval."""
    asked = about_content(DISCOVERY, "his", "solo", "nothing", explain=True)
    async with replica(database_url) as one, connected(database_url) as connection:
        answer = await one.checker.answer(asked, CALLER)
        [row] = await logged(connection)
    assert row["decision_id"] == answer.decision_id
    assert row["revision"] == answer.revision
    assert to_instant(row["evaluated_at"]) == answer.evaluated_at <= to_instant(row["answered_at"])
    assert (row["client"], row["caller"]) == (CALLER.client, CALLER.subject)
    assert (row["use"], row["recipient"]) == (DISCOVERY, "internal")
    assert msgspec.json.decode(row["request"]) == {"consistency": "strong", "explain": True}
    assert outcomes_of(row["outcomes"]) == [
        [one, d.reason, d.policy_version, d.interval.start, d.interval.end]
        for one, d in zip(asked.ids.texts(), decisions(answer), strict=True)
    ]


async def test_the_log_does_not_name_artists(appender: Appender, database_url: str) -> None:
    """It is never edited, so it holds their reference, which erasure makes nobody's."""
    asked = about_artists(DISCOVERY, "ana", "somebody-else")
    async with replica(database_url) as one, connected(database_url) as connection:
        await one.checker.answer(asked, CALLER)
        [row] = await logged(connection)
        assert [outcome[0] for outcome in outcomes_of(row["outcomes"])] == [
            one.index.subject("ana"),
            "unknown",
        ]


async def test_no_answer_leaves_before_it_is_durable(appender: Appender, database_url: str) -> None:
    """While the database has not confirmed the log's commit, whoever asks is kept waiting."""
    async with (
        Proxy(database_url) as tables,
        replica(database_url, tables_url=tables.url) as one,
        connected(database_url) as connection,
    ):
        await one.checker.answer(QUESTION, CALLER)
        tables.stall()
        before = tables.questions
        asked = asyncio.create_task(one.checker.answer(QUESTION, CALLER))
        await tables.until_asked(before + 1)
        await one.catch_up()  # the rest of the replica goes on meanwhile
        assert not asked.done()
        tables.release()
        await asked
        assert len(await logged(connection)) == 2


async def test_what_cannot_be_logged_is_not_answered(appender: Appender, database_url: str) -> None:
    """Every check that waits for the log is told so; the next one is logged and answered."""
    async with (
        Proxy(database_url) as tables,
        replica(database_url, tables_url=tables.url) as one,
        connected(database_url) as connection,
    ):
        await one.checker.answer(QUESTION, CALLER)
        await tables.shut()
        answers = await asyncio.gather(
            *(one.checker.answer(QUESTION, CALLER) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(answer, LogUnavailable) for answer in answers)
        tables.retarget(database_url)
        await one.checker.answer(QUESTION, CALLER)
        assert len(await logged(connection)) == 2


async def test_checks_that_wait_together_share_a_commit(
    appender: Appender, database_url: str
) -> None:
    """Two hundred checks asked at once are logged in a handful of transactions."""
    async with replica(database_url) as one, connected(database_url) as connection:
        await one.catch_up()
        await asyncio.gather(*(one.checker.answer(QUESTION, CALLER) for _ in range(200)))
        transactions = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM decisions")
        assert await connection.fetchval("SELECT count(*) FROM decisions") == 200
        assert transactions < 50
