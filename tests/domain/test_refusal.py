"""Refusals name the field and tell a person what to do."""

import pytest

from service.domain.consent import Answer, Scope, refuse_consent, refuse_shown
from service.domain.instant import DAY
from service.domain.policy import Mode, PolicyDraft, PolicyVersion, refuse_policy
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse

LATEST = PolicyVersion(
    use="training.music",
    version=3,
    mode=Mode.OPT_IN,
    recipients=frozenset({"internal"}),
    notice_period=60 * DAY,
    texts=frozenset({("en", "A")}),
    editorial=False,
    launch=False,
    terms=3,
    published_at=10,
    revision=1,
)


def draft(notice_period: int) -> PolicyDraft:
    """Return a draft that differs from the latest version in its window alone."""
    return PolicyDraft(
        LATEST.use, LATEST.mode, LATEST.recipients, notice_period, {"en": "A"}, editorial=True
    )


@pytest.mark.parametrize(
    ("minimum", "told"),
    [
        (30 * DAY, "P60D, what an earlier version promised"),
        (90 * DAY, "P90D, the charter's minimum"),
    ],
)
def test_a_window_that_is_too_short_is_told_how_long_it_has_to_be_and_why(
    minimum: int, told: str
) -> None:
    """Whoever publishes learns the least period and where it comes from."""
    refusals = refuse_policy(
        draft(20 * DAY), LATEST.texts, [LATEST], launch=False, min_notice_period=minimum
    )
    assert {(refusal.field, refusal.code) for refusal in refusals} == {
        ("notice_period", "notice_period_too_short"),
        ("notice_period", "editorial_changes_more"),
    }
    assert told in refusals[0].message


def test_every_reason_of_a_refusal_is_told_at_once() -> None:
    """Nobody has to find out one mistake at a time."""
    refusals = refuse_consent(
        Answer.OPT_IN, Scope("training", recipient="partner:x"), 5, latest=[LATEST], now=10
    )
    assert [(refusal.field, refusal.code) for refusal in refusals] == [
        ("expires_at", "already_expired"),
        ("use", "nothing_to_say_yes_to"),
    ]


@pytest.mark.parametrize("answer", [Answer.OPT_OUT, Answer.INHERIT])
@pytest.mark.parametrize("scope", [Scope("*"), Scope("never.heard.of"), Scope("*", "x", "lab:y")])
def test_a_no_is_never_refused_for_what_it_speaks_about(answer: Answer, scope: Scope) -> None:
    """Nobody has to find the right words to say no, or to take something back."""
    assert refuse_consent(answer, scope, None, latest=[], now=10) == []


def test_an_outdated_text_is_told_with_the_version_to_show() -> None:
    """Each use shown is judged on its own, in the order of their names."""
    refusals = refuse_shown({"training.music": 2, "discovery": 1}, Scope("training"), [LATEST])
    assert [(refusal.field, refusal.code) for refusal in refusals] == [
        ("shown.discovery", "not_covered"),
        ("shown.training.music", "outdated_version_shown"),
    ]
    assert "3" in refusals[1].message


def test_a_refusal_is_carried_out_of_a_write_with_all_it_says() -> None:
    """As an exception it keeps its fields, and its text is for people."""
    one = refuse("mode", "no_such_mode", "write opt_in", RefusalKind.CONFLICT)
    assert one.refusals == [Refusal("mode", "no_such_mode", "write opt_in")]
    assert one.kind is RefusalKind.CONFLICT
    both = Refused([*one.refusals, Refusal("use", "no_such_use", "declare it first")])
    assert str(both) == "mode: write opt_in; use: declare it first"
    assert both.kind is RefusalKind.INVALID
