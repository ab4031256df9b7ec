"""`at`: answers about the past are those that were given, answers about the future come true."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import col

from service.db.tables import DecisionLogRow
from service.domain.instant import format_instant, parse_instant
from tests.api.explained import agrees
from tests.api.people import AUDITING_PIPELINE, PIPELINE
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, Story

NEW: Final = "creation.remix"
PARTNER: Final = "partner:musiio"
DECISIONS: Final = select(DecisionLogRow).order_by(col(DecisionLogRow.answered_at))
HOUR: Final = timedelta(hours=1)
MONTH: Final = timedelta(days=30)
CONTENT: Final = ["song", "tune", "duet", "late", "nowhere"]
ARTISTS: Final = ["ana", "ben", "eve", "nobody"]

# Everything that is asked after each step: two kinds of id, three uses, two recipients.
QUESTIONS: Final[tuple[dict[str, Any], ...]] = (
    {"use": RECOMMENDATION, "content": CONTENT},
    {"use": RECOMMENDATION, "content": CONTENT, "recipient": PARTNER},
    {"use": RECOMMENDATION, "content": CONTENT, "min_policy_version": 2},
    {"use": MUSIC, "content": CONTENT},
    {"use": MUSIC, "artists": ARTISTS},
    {"use": NEW, "content": CONTENT, "recipient": PARTNER},
    {"use": NEW, "artists": ARTISTS, "recipient": PARTNER},
)


async def answered(story: Story, question: dict[str, Any], **more: Any) -> Any:
    """Ask and return the whole answer, but for the decision's own id."""
    body = question | {"explain": True} | more
    answer = await story.door.done("POST", "/v1/checks", body, by=AUDITING_PIPELINE)
    del answer["decision_id"]
    for result in answer["results"]:
        agrees(result)
        if result["reason"] == "unknown_artist":  # whose name may have become known since
            del result["explanation"]
    return answer


async def live(story: Story) -> list[tuple[dict[str, Any], Any]]:
    """Play a history in which everything happens, and record each answer as it is given."""
    recorded: list[tuple[dict[str, Any], Any]] = []

    async def note() -> None:
        recorded.extend([(one, await answered(story, one)) for one in QUESTIONS])
        await story.door.advance(HOUR)

    await note()
    await story.begin()
    await note()
    await story.publish(NEW, "opt_in", PARTNER)
    await story.put("late", "ben", "ana")
    await story.say("ana", "opt_out", "training")
    await note()
    words = {"en": "To partners too."}
    await story.publish(RECOMMENDATION, "opt_out", "internal", PARTNER, texts=words)
    await story.deliver(f"{RECOMMENDATION}:2", "ana")
    until = (await story.door.services.heads.read()).now + MONTH // timedelta(microseconds=1)
    await story.say("ben", "opt_in", NEW, content="tune", expires_at=format_instant(until))
    await story.say("ana", "opt_in", MUSIC, content="song")
    await note()
    await story.register("eve")
    await story.put("tune", "ben", "eve")
    await story.put("song", "ana", status="disputed")
    await story.deliver(f"{RECOMMENDATION}:2", "ben", outcome="bounced")
    await note()
    await story.door.advance(MONTH)
    await note()
    await story.put("song", "ana")
    await story.say("ana", "inherit", "training")
    await story.publish(NEW, "opt_out", PARTNER, texts=words)
    await story.deliver(f"{NEW}:2", "ana", "eve")
    await note()
    await story.say("ben", "opt_out")
    await story.publish(MUSIC, "prohibited", texts={"en": "Never."})
    await story.door.advance(MONTH)
    await note()
    return recorded


async def test_past_answers_are_the_answers_given_then(story: Story) -> None:
    """Each answer of a long history, asked again with `at`: the same, to the last field."""
    recorded = await live(story)
    for question, then in recorded:
        assert await answered(story, question, at=then["evaluated_at"]) == then
    given = {r["reason"] for _, answer in recorded for r in answer["results"]}
    assert len(given) >= 12  # the history is not about little


async def test_a_past_answer_holds_to_the_microsecond(begun: Story) -> None:
    """From its own instant on a record counts, and not one microsecond before."""
    said = await begun.say("ana", "opt_out")
    when = said["recorded_at"]
    before = format_instant(parse_instant(when) - 1)
    question = {"use": RECOMMENDATION, "content": ["song"]}
    at = await answered(begun, question, at=when)
    assert (at["results"][0]["reason"], at["revision"]) == ("opted_out", said["revision"])
    just_before = await answered(begun, question, at=before)
    assert just_before["results"][0]["reason"] == "window_closed"
    assert just_before["revision"] == said["revision"] - 1


async def test_before_the_ledger_nothing_was_known(begun: Story) -> None:
    """At revision 0 every use is unknown, and nobody was permitted anything."""
    question = {"use": RECOMMENDATION, "content": ["song"]}
    answer = await answered(begun, question, at="1970-01-01T00:00:00Z")
    assert answer["revision"] == 0
    assert answer["results"][0]["reason"] == "unknown_use"


async def test_a_future_answer_comes_true_if_nothing_is_said(begun: Story) -> None:
    """A pending window and an expiry are both seen ahead, with the interval they make."""
    await begun.publish(NEW, "opt_out")
    await begun.deliver(f"{NEW}:1", "ana")
    head = await begun.door.services.heads.read()
    until = format_instant(head.now + timedelta(days=20) // timedelta(microseconds=1))
    await begun.say("ana", "opt_in", MUSIC, expires_at=until)
    ahead = format_instant(head.now + timedelta(days=31) // timedelta(microseconds=1))
    predicted = {
        use: await answered(begun, {"use": use, "content": ["song", "duet"]}, at=ahead)
        for use in (RECOMMENDATION, NEW, MUSIC)
    }
    await begun.door.advance(timedelta(days=32))
    for use, answer in predicted.items():
        now = await answered(begun, {"use": use, "content": ["song", "duet"]})
        assert answer["evaluated_at"] == ahead
        assert now["results"] == answer["results"]
        assert now["revision"] == answer["revision"]
    assert predicted[NEW]["results"][0]["reason"] == "window_closed"
    assert predicted[MUSIC]["results"][0]["reason"] == "opt_in_expired"


async def test_an_instant_may_come_with_any_offset(begun: Story) -> None:
    """It is one instant, however it is written; the answer writes it in UTC."""
    question = {"use": RECOMMENDATION, "content": ["song"]}
    answer = await answered(begun, question, at="2126-03-01T02:00:00+02:00")
    assert answer["evaluated_at"] == "2126-03-01T00:00:00.000000Z"


async def test_an_artist_registered_later_was_unknown_then(begun: Story) -> None:
    """By themselves, too: the id means nobody before its registration."""
    then = (await answered(begun, {"use": RECOMMENDATION, "artists": ["eve"]}))["evaluated_at"]
    await begun.register("eve")
    for at, reason in ((then, "unknown_artist"), (None, "window_closed")):
        question = {"use": RECOMMENDATION, "artists": ["eve"], "at": at}
        assert (await answered(begun, question))["results"][0]["reason"] == reason


async def test_a_thousand_can_be_asked_about_the_past(begun: Story) -> None:
    """Fewer than about the present, since each is looked up in tables by itself."""
    then = (await begun.check(RECOMMENDATION, "song"))["evaluated_at"]
    await begun.say("ana", "opt_out")
    body = {"use": RECOMMENDATION, "content": ["song", "tune"] * 500, "at": then}
    answer = await begun.door.done("POST", "/v1/checks", body, by=AUDITING_PIPELINE)
    assert {result["reason"] for result in answer["results"]} == {"window_closed"}
    assert len(answer["results"]) == 1_000
    body["content"].append("song")
    response = await begun.door.ask("POST", "/v1/checks", body, by=AUDITING_PIPELINE)
    refused(response, 422, "too_many", "at")


async def test_an_answer_about_the_past_is_a_decision_too(begun: Story) -> None:
    """It is logged with the instant it was asked about."""
    then = await begun.check(RECOMMENDATION, "song")
    await begun.say("ana", "opt_out")
    await answered(begun, {"use": RECOMMENDATION, "content": ["song"]}, at=then["evaluated_at"])
    async with begun.door.services.database.read() as session:
        rows = await session.execute(DECISIONS)
        instants = [
            (format_instant(row.evaluated_at), row.request.get("at")) for row in rows.scalars()
        ]
    assert instants == [(then["evaluated_at"], None), (then["evaluated_at"], then["evaluated_at"])]


async def test_the_present_needs_no_audit(begun: Story) -> None:
    """`"at": null` is the present, for anybody who may check."""
    assert await begun.reasons(RECOMMENDATION, "song", by=PIPELINE, at=None) == ["window_closed"]
