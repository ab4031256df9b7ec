"""Sections 5 and 6, the information model and the Access Evaluation API, in Fermata's words."""

from datetime import timedelta
from typing import Any, Final

import pytest

from tests.api.authzen.asking import EVALUATION, MUSIIO, PIPE, USE, Pep, asking, track, without
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION, Story

ALWAYS: Final = {"decision_id", "revision", "evaluated_at", "reason"}


async def test_5_5_a_decision_is_a_boolean_with_its_context(partnered: Story, pep: Pep) -> None:
    """A permit says why, at which revision, under which version, and until when it stands."""
    said = await partnered.say("ana", "opt_in", MUSIC, expires_at="2126-01-01T00:00:00Z")
    answer = await pep.decision("song", action={"name": MUSIC})
    assert answer.keys() == {"decision", "context"}
    context = answer["context"]
    assert context.keys() == ALWAYS | {"policy_version", "permitted_from", "valid_until"}
    assert answer["decision"] is True
    assert (context["reason"], context["policy_version"]) == ("opted_in", 1)
    assert context["revision"] == said["revision"]
    assert context["permitted_from"] == said["recorded_at"]
    assert context["valid_until"] == "2126-01-01T00:00:00.000000Z"


@ONLY_ASKS
async def test_5_5_a_denial_is_200_and_false(standing_pep: Pep) -> None:
    """A no is an answer like any other, never an error."""
    answer = await standing_pep.decision("song", action={"name": MUSIC})
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "no_opt_in"


@ONLY_ASKS
async def test_11_6_what_there_is_nothing_of_is_left_out(standing_pep: Pep) -> None:
    """Nulls are omitted: no version, no interval, no key for it."""
    assert (await standing_pep.decision("nowhere"))["context"].keys() == ALWAYS
    unbounded = (await standing_pep.decision("song"))["context"]
    assert unbounded.keys() == ALWAYS | {"policy_version", "permitted_from"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action": {"name": "no.such.use"}}, "unknown_use"),
        ({"action": {"name": ""}}, "unknown_use"),
        ({"resource": track("nowhere")}, "unknown_content"),
        ({"resource": track("")}, "unknown_content"),
        ({"resource": track("x" * 5_000)}, "unknown_content"),
        ({"resource": track("so\0ng")}, "unknown_content"),
        ({"resource": {"type": "spaceship", "id": "song"}}, "unknown_content"),
        ({"resource": {"type": "Track", "id": "song"}}, "unknown_content"),
        ({"resource": {"type": "artist", "id": "nobody"}}, "unknown_artist"),
        ({"resource": {"type": "artist", "id": "song"}}, "unknown_artist"),
        ({"subject": {"type": "user", "id": "alice"}}, "recipient_not_listed"),
        ({"subject": {"type": "partner", "id": "nobody"}}, "recipient_not_listed"),
        ({"subject": {"type": "partner", "id": "mu siio"}}, "recipient_not_listed"),
        ({"subject": {"type": "Partner", "id": "musiio"}}, "recipient_not_listed"),
        ({"subject": {"type": "", "id": "internal"}}, "recipient_not_listed"),
        ({"subject": {"type": "internal", "id": "internal"}}, "recipient_not_listed"),
        ({"subject": {"type": "\0", "id": "\0"}}, "recipient_not_listed"),
        ({"subject": {"type": "partner", "id": "é" * 5_000}}, "recipient_not_listed"),
    ],
)
@ONLY_ASKS
async def test_unknown_things_are_denials(standing_pep: Pep, change: Any, reason: str) -> None:
    """Whatever nobody knows, of whatever type, is denied with its reason: it is no error."""
    answer = await standing_pep.decision("song", **change)
    assert answer["decision"] is False
    assert answer["context"]["reason"] == reason


@pytest.mark.parametrize("name", ["track", "upload", "record", "content"])
@ONLY_ASKS
async def test_the_resource_is_content_under_the_platforms_own_names(
    standing_pep: Pep, name: str
) -> None:
    """Types of resource are names for content, however the platform calls it."""
    assert (await standing_pep.decision("song", resource={"type": name, "id": "song"}))["decision"]


async def test_a_resource_can_be_an_artist(partnered: Story, pep: Pep) -> None:
    """A voice likeness, say, is of no track."""
    await partnered.say("ben", "opt_out", RECOMMENDATION)
    for artist, reason in (("ana", "window_closed"), ("ben", "opted_out")):
        answer = await pep.decision("", resource={"type": "artist", "id": artist})
        assert answer["context"]["reason"] == reason


async def test_the_subject_is_the_recipient(partnered: Story, pep: Pep) -> None:
    """A pipeline is the platform's own; any other type and id is the recipient of that name."""
    await partnered.say("ana", "opt_out", RECOMMENDATION, recipient="partner:musiio")
    assert (await pep.decision("song", subject=PIPE))["context"]["reason"] == "window_closed"
    assert (await pep.decision("song", subject=MUSIIO))["context"]["reason"] == "opted_out"
    assert (await pep.decision("tune", subject=MUSIIO))["context"]["reason"] == "window_closed"


async def test_a_type_with_a_colon_is_nobody(partnered: Story, pep: Pep) -> None:
    """`partner:a` and `b` must not be taken for `partner` and `a:b`, which would read the same."""
    await partnered.publish("fraud", "opt_in", "partner:a:b")
    await partnered.say("ana", "opt_in", "fraud")
    fraud = {"name": "fraud"}
    for kind, one, permitted in (("partner", "a:b", True), ("partner:a", "b", False)):
        subject = {"type": kind, "id": one}
        assert (await pep.decision("song", action=fraud, subject=subject))["decision"] is permitted


async def test_the_least_version_travels_in_the_context(partnered: Story, pep: Pep) -> None:
    """A pipeline that acts under new terms is denied whom they do not bind yet."""
    texts = {"en": "More than we said."}
    await partnered.publish(RECOMMENDATION, "opt_out", "internal", texts=texts)
    await partnered.deliver(f"{RECOMMENDATION}:2", "ana")
    await partnered.door.advance(timedelta(days=30))
    least = {"min_policy_version": 2}
    assert (await pep.decision("song", context=least))["context"]["reason"] == "window_closed"
    assert (await pep.decision("tune", context=least))["context"]["reason"] == "not_notified"
    assert (await pep.decision("tune"))["context"]["reason"] == "window_closed"


async def test_a_pending_window_says_when_it_opens_the_way(partnered: Story, pep: Pep) -> None:
    """A denial by a window that is open tells from when on it will be a permit."""
    await partnered.publish(MUSIC, "opt_out", "internal", texts={"en": "Anew."})
    await partnered.deliver(f"{MUSIC}:2", "ana")
    context = (await pep.decision("song", action={"name": MUSIC}))["context"]
    assert "permitted_from" in context
    await partnered.door.advance(timedelta(days=30))
    after = await pep.decision("song", action={"name": MUSIC})
    assert after["decision"]
    assert after["context"]["permitted_from"] == context["permitted_from"]


@pytest.mark.parametrize(
    "context",
    [
        {"consistency": "weak"},
        {"consistency": {}},
        {"consistency": {"at_least": 1, "max_staleness_ms": 1}},
        {"consistency": {"at_least": "1"}},
        {"min_policy_version": 0},
        {"min_policy_version": "2"},
        {"run": 7},
        {"run": "x" * 201},
        "now",
        [],
    ],
)
@ONLY_ASKS
async def test_what_the_context_asks_for_is_understood_or_refused(
    standing_pep: Pep, context: Any
) -> None:
    """A wish about how to answer is never passed over: it could be a stricter one."""
    response = await standing_pep.send(EVALUATION, asking("song", context=context))
    assert response.status_code == 400
    assert "context" in response.json()["detail"]


@ONLY_ASKS
async def test_6_1_a_required_entity_is_required(standing_pep: Pep) -> None:
    """`subject`, `action` and `resource` have to be there; `context` need not."""
    for name in ("subject", "action", "resource"):
        response = await standing_pep.send(EVALUATION, without(asking("song"), name))
        assert response.status_code == 400
        assert name in response.json()["detail"]
    assert (await standing_pep.decision("song", context=None))["decision"]


@ONLY_ASKS
async def test_properties_change_nothing(standing_pep: Pep) -> None:
    """We evaluate none, and promise none: they are read past."""
    with_more = {"properties": {"status": "archived", "deep": [{"er": None}]}}
    answer = await standing_pep.decision(
        "song", subject=PIPE | with_more, action=USE | with_more, resource=track("song") | with_more
    )
    assert answer["decision"]
