"""What others fell into, each a test of ours; and every interface held against every other."""

import asyncio
import random
from datetime import timedelta
from itertools import permutations, product
from typing import Any, Final

import pytest

from service.auth.local_issuer import LocalIssuer
from service.decisions.capacity import Capacity
from tests.api.authzen.asking import (
    EVALUATION,
    EVALUATIONS,
    MUSIIO,
    PIPE,
    SEARCHES,
    USE,
    Pep,
    asking,
    track,
)
from tests.api.door import open_door
from tests.api.logged import logged
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story

TRACKS: Final[dict[str, Any]] = {"subject": PIPE, "action": USE, "resource": {"type": "track"}}


async def test_trap_each_of_a_batch_has_its_own_answer(partnered: Story, pep: Pep) -> None:
    """Cerbos 0.55 gave two evaluations of one resource the first one's answer; OpenFGA did alike.

    Whatever they share and in whatever order they stand, each is answered as it is alone.
    """
    await partnered.say("ana", "opt_out", RECOMMENDATION, recipient="partner:musiio")
    song = track("song")
    items: list[dict[str, Any]] = [
        {"resource": song | {"properties": {"status": "active"}}},
        {"resource": song | {"properties": {"status": "archived"}}, "subject": MUSIIO},
        {"resource": song, "action": {"name": MUSIC}},
        {"resource": song, "context": {"min_policy_version": 9}},
        {"resource": {"type": "artist", "id": "song"}},
    ]
    alone = [await pep.answer(EVALUATION, asking("") | item) for item in items]
    expected = [answer["context"]["reason"] for answer in alone]
    assert len(set(expected)) == len(items)
    by_item = list(zip(items, expected, strict=True))
    for order in permutations(by_item):
        reasons = await pep.reasons(*[item for item, _ in order], subject=PIPE, action=USE)
        assert reasons == [reason for _, reason in order]


async def ask_everywhere(pep: Pep, **context: Any) -> list[bool]:
    """Return whether the song is permitted, by each of the five."""
    more = {"context": context}
    body = asking("song", **more)
    one = await pep.answer(EVALUATION, body)
    (many,) = await pep.decisions({}, **body)
    subjects = await pep.found("subject", **body)
    resources = await pep.found("resource", **body)
    actions = await pep.found("action", **body)
    return [
        one["decision"],
        many["decision"],
        {"type": "pipeline", "id": "internal"} in subjects,
        track("song") in resources,
        USE in actions,
    ]


async def test_trap_a_no_is_final_on_every_replica(
    partnered: Story, pep: Pep, issuer: LocalIssuer
) -> None:
    """SpiceDB's default went on saying yes for up to 4.6 s after a revocation had returned.

    The other replica hears of nothing by itself here. That the test can fail is proven first: with
    a staleness that allows it, each of the five goes on saying yes.
    """
    settings = {"tail_interval_ms": 600_000}
    async with open_door(partnered.door.database_url, issuer, **settings) as door:
        other = Pep(door)
        assert await ask_everywhere(other) == [True] * 5
        await partnered.say("ana", "opt_out", RECOMMENDATION)
        stale = {"consistency": {"max_staleness_ms": 3_600_000}}
        assert await ask_everywhere(other, **stale) == [True] * 5
        assert await ask_everywhere(other) == [False] * 5
        for answer in ("opt_in", "opt_out") * 3:
            said = await partnered.say("ana", answer, RECOMMENDATION)
            token = {"consistency": {"at_least": said["revision"]}}
            asked = await ask_everywhere(other, **random.choice([{}, token]))
            assert asked == [answer == "opt_in"] * 5


async def test_trap_nobody_is_permitted_after_a_no_has_returned(partnered: Story, pep: Pep) -> None:
    """Evaluations and searches never stop while the no is written; those that start later deny."""
    over = asyncio.Event()

    async def read() -> list[tuple[bool, bool]]:
        seen: list[tuple[bool, bool]] = []
        while len(seen) < 4 or not seen[-1][0]:
            later = over.is_set()
            (answer,) = await pep.decisions({}, **asking("song"))
            found = await pep.search("resource", **TRACKS)
            seen += [(later, answer["decision"]), (later, track("song") in found["results"])]
        return seen

    readers = [asyncio.create_task(read()) for _ in range(6)]
    await partnered.say("ana", "opt_out", RECOMMENDATION)
    over.set()
    for reader in readers:
        assert not any(permitted for later, permitted in await reader if later)


async def test_trap_the_log_misses_nothing_under_load(pep: Pep) -> None:
    """OPA dropped 90 % of its decisions under load (#8123): here each has its row."""
    items = [{"resource": track("song")}, {"resource": track("tune"), "subject": MUSIIO}]
    answers = await asyncio.gather(
        *(pep.decisions(*items, subject=PIPE, action=USE) for _ in range(60)),
        *(pep.search("resource", **TRACKS) for _ in range(60)),
    )
    given = {
        context["decision_id"]
        for answer in answers
        for context in (
            answer["context"]["decisions"]
            if isinstance(answer, dict)
            else [one["context"] for one in answer]
        )
    }
    rows = await logged(pep.door)
    assert len(given) == 180
    assert {row["decision_id"] for row in rows} == given


async def test_trap_a_yes_that_starts_in_the_future(partnered: Story, pep: Pep) -> None:
    """Nobody else has one (SpiceDB #2538): our window opens the way by itself, to the instant."""
    await partnered.publish(MUSIC, "opt_out", "internal", texts={"en": "Anew."})
    await partnered.deliver(f"{MUSIC}:2", "ana")
    music: dict[str, Any] = TRACKS | {"action": {"name": MUSIC}}
    for permitted in ([], [track("song")]):
        assert await pep.found("resource", **music) == permitted
        assert (await pep.decision("song", **music | {"resource": track("song")}))[
            "decision"
        ] is bool(permitted)
        await partnered.door.advance(timedelta(days=30))


# Every interface against every other

USES: Final = (RECOMMENDATION, MUSIC, VOICE, "radio")
RECIPIENTS: Final = ("internal", "partner:musiio", "label:x:y")
ARTISTS: Final = tuple(f"artist-{n}" for n in range(6))


async def live(story: Story, dice: random.Random) -> list[str]:
    """Let all kinds of things be published, put, delivered and said; return the content."""
    await story.open_charter()
    await story.publish("radio", "open", *RECIPIENTS)
    await story.publish(RECOMMENDATION, "opt_out", "internal", "partner:musiio")
    await story.publish(MUSIC, "opt_in", *RECIPIENTS)
    await story.register(*ARTISTS)
    await story.publish(VOICE, "opt_out", "internal", "label:x:y")
    contents = [f"content-{n}" for n in range(12)]
    for one in contents:
        status = dice.choice(["active"] * 6 + ["disputed", "removed"])
        await story.put(one, *dice.sample(ARTISTS, dice.choice([1, 1, 2, 3])), status=status)
    await story.deliver(f"{VOICE}:1", *dice.sample(ARTISTS, 4))
    for artist in ARTISTS:
        for _ in range(3):
            scope: dict[str, Any] = {
                "content": dice.choice([None, *contents]),
                "recipient": dice.choice([None, *RECIPIENTS]),
            }
            use = dice.choice(["training", "*", MUSIC, RECOMMENDATION])
            answer = "opt_in" if use == MUSIC and scope["recipient"] else "opt_out"
            if dice.random() < 0.3:
                use, answer = MUSIC, "opt_in"
            await story.say(artist, answer, use, **scope)
    return contents


def subject_of(recipient: str) -> dict[str, str]:
    """Return the recipient as AuthZEN's subject."""
    if recipient == "internal":
        return {"type": "pipeline", "id": "internal"}
    kind, _, one = recipient.partition(":")
    return {"type": kind, "id": one}


@pytest.mark.parametrize("seed", range(3))
async def test_every_interface_agrees(story: Story, seed: int) -> None:
    """Native checks, explanations, evaluations and all searches never differ, now or later."""
    pep = Pep(story.door)
    contents = await live(story, random.Random(seed))
    for _ in range(2):
        permitted = await agreed_answers(story, pep, contents)
        assert 0 < len(permitted) < len(USES) * len(RECIPIENTS) * len(contents)
        await hold_searches_against(pep, permitted, contents)
        await story.door.advance(timedelta(days=30))


async def agreed_answers(story: Story, pep: Pep, contents: list[str]) -> set[tuple[str, str, str]]:
    """Ask natively and by AuthZEN; return what is permitted, as use, recipient and content."""
    found = set()
    items = []
    natives: list[dict[str, Any]] = []
    for use, recipient in product(USES, RECIPIENTS):
        answer = await story.check(use, *contents, recipient=recipient, explain=True)
        natives += answer["results"]
        items += [
            {
                "subject": subject_of(recipient),
                "action": {"name": use},
                "resource": {"type": "upload", "id": one},
            }
            for one in contents
        ]
        found |= {(use, recipient, row["content"]) for row in answer["results"] if row["permitted"]}
    answers = await pep.decisions(*items)
    for native, answer in zip(natives, answers, strict=True):
        context = answer["context"]
        assert answer["decision"] is native["permitted"]
        for name in ("reason", "policy_version", "permitted_from", "valid_until"):
            assert context.get(name) == native[name]
        asked = native["explanation"]["rightsholders"]
        why = [one["reason"] for one in asked] or [native["explanation"]["refused_outright"]]
        assert context["reason"] in why
    return found


async def hold_searches_against(
    pep: Pep, permitted: set[tuple[str, str, str]], contents: list[str]
) -> None:
    """Search by every side, in small pages, and demand exactly what is permitted."""
    by_resource = {
        (use, recipient, one["id"])
        for use, recipient in product(USES, RECIPIENTS)
        for one in await pep.found(
            "resource",
            5,
            subject=subject_of(recipient),
            action={"name": use},
            resource={"type": "track"},
        )
    }
    by_action = {
        (action["name"], recipient, one)
        for recipient, one in product(RECIPIENTS, contents)
        for action in await pep.found(
            "action", 2, subject=subject_of(recipient), resource=track(one)
        )
    }
    by_subject = {
        (use, recipient, one)
        for use, recipient, one in product(USES, RECIPIENTS, contents)
        if subject_of(recipient)
        in await pep.found(
            "subject",
            1,
            subject={"type": subject_of(recipient)["type"]},
            action={"name": use},
            resource=track(one),
        )
    }
    assert by_resource == by_action == by_subject == permitted


async def test_a_batch_without_evaluations_is_the_single_one(pep: Pep) -> None:
    """Both doors to one question give one answer."""
    for one in ("song", "gone"):
        single = await pep.answer(EVALUATION, asking(one))
        batch = await pep.answer(EVALUATIONS, asking(one))
        assert single["decision"] == batch["decision"]
        assert single["context"]["reason"] == batch["context"]["reason"]


async def test_trap_no_bound_on_what_is_asked_at_once(pep: Pep) -> None:
    """What there is no room for is refused with a time to come again, and is no permit."""
    object.__setattr__(pep.door.services, "capacity", Capacity(small=(0, 0), large=(0, 0)))
    for path, body in (
        (EVALUATION, asking("song")),
        (EVALUATIONS, asking("song") | {"evaluations": [{}]}),
        (SEARCHES["resource"], TRACKS),
    ):
        response = await pep.send(path, body)
        assert (response.status_code, int(response.headers["retry-after"])) == (429, 1)
        assert "decision" not in response.json()
