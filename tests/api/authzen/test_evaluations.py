"""Section 7, the Access Evaluations API: defaults, semantics, errors that stay where they are."""

import asyncio
from typing import Any, Final

import pytest

from tests.api.authzen.asking import (
    EVALUATIONS,
    MUSIIO,
    PIPE,
    USE,
    Pep,
    asking,
    track,
    without,
)
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION, Story

FOR_ALL: Final[dict[str, Any]] = {"subject": PIPE, "action": USE}
SONG, TUNE, DUET, GONE = ({"resource": track(one)} for one in ("song", "tune", "duet", "gone"))


def stopping(semantic: str) -> dict[str, Any]:
    """Return the options that select these semantics."""
    return {"options": {"evaluations_semantic": semantic}}


# Section 7.1


@pytest.mark.parametrize("more", [{}, {"evaluations": []}, {"evaluations": None}])
@ONLY_ASKS
async def test_7_1_without_evaluations_it_is_a_single_one(standing_pep: Pep, more: Any) -> None:
    """Missing or empty: the request is that of the Access Evaluation API, and so is the answer."""
    answer = await standing_pep.answer(EVALUATIONS, asking("song", **more))
    assert answer.keys() == {"decision", "context"}
    assert answer["decision"] is True
    response = await standing_pep.send(EVALUATIONS, without(asking("song", **more), "resource"))
    assert response.status_code == 400


@ONLY_ASKS
async def test_7_1_evaluations_can_do_without_defaults(standing_pep: Pep) -> None:
    """Every one of them can say everything itself."""
    assert await standing_pep.reasons(asking("song"), asking("gone")) == [
        "window_closed",
        "unknown_content",
    ]


async def test_7_1_1_defaults_are_for_what_is_left_out(partnered: Story, pep: Pep) -> None:
    """Any of the four can be a default, and any evaluation can say otherwise."""
    await partnered.say("ana", "opt_out", MUSIC)
    assert await pep.reasons(
        {},
        TUNE,
        {"subject": {"type": "partner", "id": "x"}},
        {"action": {"name": MUSIC}},
        {"action": {"name": MUSIC}, "resource": track("tune")},
        {"context": {"min_policy_version": 2}},
        **asking("song"),
    ) == [
        "window_closed",
        "window_closed",
        "recipient_not_listed",
        "opted_out",
        "no_opt_in",
        "not_notified",
    ]


async def test_7_1_1_a_key_replaces_the_whole_entity(partnered: Story, pep: Pep) -> None:
    """Nothing is merged below it: not a type, not an id, not what the default's context asks."""
    texts = {"en": "More than we said."}
    await partnered.publish(RECOMMENDATION, "opt_out", "internal", texts=texts)
    answers = await pep.decisions(
        {"resource": {"id": "tune"}},
        {"resource": {"type": "track"}},
        {"subject": {"type": "pipeline"}},
        {"context": {"run": "7"}},
        {},
        **asking("song", context={"min_policy_version": 2}),
    )
    assert [answer["decision"] for answer in answers] == [False, False, False, True, False]
    assert [answer["context"].get("error", {}).get("message") for answer in answers] == [
        "resource: Object missing required field `type`",
        "resource: Object missing required field `id`",
        "subject: Object missing required field `id`",
        None,
        None,
    ]


@ONLY_ASKS
async def test_7_1_1_null_is_not_left_out(standing_pep: Pep) -> None:
    """An evaluation whose resource is null asks about nothing: not about the default's."""
    nulls = [{name: None} for name in ("subject", "action", "resource", "context")]
    answers = await standing_pep.decisions(*nulls, **asking("song"))
    assert [answer["decision"] for answer in answers] == [False] * 4
    assert all("error" in answer["context"] for answer in answers)


@ONLY_ASKS
async def test_a_null_context_at_the_top_is_none(standing_pep: Pep) -> None:
    """The one optional key may be null there, as in a single evaluation."""
    assert (
        await standing_pep.reasons(SONG, {}, **asking("song", context=None))
        == ["window_closed"] * 2
    )


@ONLY_ASKS
async def test_a_broken_default_fails_those_who_need_it(standing_pep: Pep) -> None:
    """Each of them, and nobody else."""
    own: dict[str, Any] = {"context": {}}
    broken = asking("song", context={"min_policy_version": "2"})
    assert await standing_pep.reasons({}, own, {}, **broken) == [None, "window_closed", None]


@ONLY_ASKS
async def test_7_1_1_what_is_nowhere_is_an_error_of_its_own(standing_pep: Pep) -> None:
    """A required key has to be in the evaluation or at the top; where it is not, that one fails."""
    answers = await standing_pep.decisions(SONG, {}, **FOR_ALL)
    assert answers[0]["decision"] is True
    assert answers[1] == {
        "decision": False,
        "context": {
            "error": {
                "status": 400,
                "message": "resource: give it here, or as a default for all",
            }
        },
    }


@ONLY_ASKS
async def test_7_1_1_a_default_that_nobody_uses_hurts_nobody(standing_pep: Pep) -> None:
    """Defaults are looked at where they are needed."""
    assert await standing_pep.reasons(SONG, **FOR_ALL, resource={"type": "track"}) == [
        "window_closed"
    ]


# Section 7.1.2


@ONLY_ASKS
async def test_7_1_2_1_execute_all_is_the_default(standing_pep: Pep) -> None:
    """Every one is answered, in the order asked, whatever comes of the others."""
    for options in ({}, stopping("execute_all"), {"options": {"another": 1}}, {"options": None}):
        reasons = await standing_pep.reasons(SONG, GONE, {}, TUNE, **FOR_ALL, **options)
        assert reasons == ["window_closed", "unknown_content", None, "window_closed"]


@pytest.mark.parametrize(
    ("semantic", "items", "decisions"),
    [
        ("deny_on_first_deny", (SONG, GONE, TUNE), [True, False]),
        ("deny_on_first_deny", (SONG, {}, TUNE), [True, False]),
        ("deny_on_first_deny", (SONG, TUNE), [True, True]),
        ("deny_on_first_deny", (GONE,), [False]),
        ("permit_on_first_permit", (GONE, SONG, TUNE), [False, True]),
        ("permit_on_first_permit", ({}, GONE), [False, False]),
        ("permit_on_first_permit", ({}, SONG, GONE), [False, True]),
    ],
)
@ONLY_ASKS
async def test_7_1_2_1_the_others_stop_early(
    standing_pep: Pep, semantic: str, items: Any, decisions: Any
) -> None:
    """A denial or an error ends the one, a permit the other; it is the last of the answers."""
    answers = await standing_pep.decisions(*items, **FOR_ALL, **stopping(semantic))
    assert [answer["decision"] for answer in answers] == decisions


@pytest.mark.parametrize("semantic", ["all", "EXECUTE_ALL", "", 1, None, []])
@ONLY_ASKS
async def test_7_1_2_1_other_semantics_are_refused(standing_pep: Pep, semantic: Any) -> None:
    """Exactly one of the three: guessing which was meant could permit."""
    body = FOR_ALL | {"evaluations": [SONG]} | {"options": {"evaluations_semantic": semantic}}
    assert (await standing_pep.send(EVALUATIONS, body)).status_code == 400


# Section 7.2


@ONLY_ASKS
async def test_7_2_answers_come_in_the_order_asked(standing_pep: Pep) -> None:
    """As many as were asked, repeated ones too, and no decision above them."""
    items = [(SONG, GONE, DUET)[n % 3] for n in range(300)]
    reasons = await standing_pep.reasons(*items, **FOR_ALL)
    expected = ("window_closed", "unknown_content", "window_closed")
    assert reasons == [expected[n % 3] for n in range(300)]


async def test_7_2_all_are_answered_at_one_revision(partnered: Story, pep: Pep) -> None:
    """While artists write, the answers of one request never mix two states."""
    over = asyncio.Event()

    async def write() -> None:
        for n in range(20):
            await partnered.say("ana", ("opt_out", "inherit")[n % 2], RECOMMENDATION)
        over.set()

    writing = asyncio.create_task(write())
    while not over.is_set():
        answers = await pep.decisions(*[SONG, DUET] * 20, {"subject": MUSIIO} | SONG, **FOR_ALL)
        moments = {(a["context"]["revision"], a["context"]["evaluated_at"]) for a in answers}
        assert len(moments) == 1
        assert len({answer["decision"] for answer in answers}) == 1
    await writing


# Section 7.2.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource": "song"},
        {"resource": {"type": "track", "id": 7}},
        {"action": {"name": None}},
        {"context": {"min_policy_version": -1}},
        {"context": {"consistency": {}}},
        {"subject": PIPE | {"properties": "none"}},
        "song",
        7,
        None,
        [],
    ],
)
@ONLY_ASKS
async def test_7_2_1_an_error_stays_in_its_evaluation(standing_pep: Pep, wrong: Any) -> None:
    """It is a denial with an error in its context; those beside it are answered."""
    answers = await standing_pep.decisions(SONG, wrong, TUNE, **FOR_ALL)
    assert [answer["decision"] for answer in answers] == [True, False, True]
    assert answers[1]["context"].keys() == {"error"}
    assert answers[1]["context"]["error"]["status"] == 400
    assert answers[1]["context"]["error"]["message"]


@ONLY_ASKS
async def test_7_2_1_what_is_wrong_with_all_of_it_is_an_http_error(standing_pep: Pep) -> None:
    """No JSON, no object, no list, or too many."""
    body: Any
    for body in (
        [],
        FOR_ALL | {"evaluations": {}},
        FOR_ALL | {"evaluations": "all"},
        FOR_ALL | {"evaluations": [SONG], "options": "fast"},
        FOR_ALL | {"evaluations": [SONG] * 10_001},
    ):
        assert (await standing_pep.send(EVALUATIONS, body)).status_code == 400


@ONLY_ASKS
async def test_ten_thousand_are_answered(standing_pep: Pep) -> None:
    """As many as a native check takes."""
    answers = await standing_pep.decisions(*[SONG] * 10_000, **FOR_ALL)
    assert len(answers) == 10_000
    assert all(answer["decision"] for answer in answers)
