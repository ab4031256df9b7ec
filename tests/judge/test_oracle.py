"""The judge is judged: by the shared cases, the worked examples of section 3, and its reach."""

import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.judge.histories import broken_rules, checks_for, random_history
from tests.judge.oracle import REASONS, Answer, NotOneIntervalError, answer, answer_later, interval

DAY = 86_400
YEAR = 365 * DAY
TEXT = "the words of version one"
OTHER = "other words"
MUSIC = "training.generative.music"

# One shared history contradicts R4. There a yes to v1 (`opt_in`) meets v2 (`prohibited`), which
# governs for eleven seconds, and then v3 (`opt_in` again, v1's words); the case permits under v3 by
# the old yes. R4 says of v2 that "from then on the yes has lapsed and neither permits nor lifts
# anything", so the judge denies. It would answer the case if a lapse were not final; but then R9
# would fail, as `test_a_lapse_that_is_not_final_breaks_the_one_interval` shows.
CONTRADICTS_R4 = {("h1001-59", "discovery", "partner:muse", "t1")}


def policy(at: int, mode: str, text: str = TEXT, **fields: Any) -> dict[str, Any]:
    """Return a policy event of `discovery` for `internal` with thirty days' notice."""
    return {
        "at": at,
        "type": "policy",
        "use": "discovery",
        "mode": mode,
        "recipients": ["internal"],
        "notice_seconds": 30 * DAY,
        "text": text,
        "editorial": False,
        **fields,
    }


def artist(at: int, name: str = "ana") -> dict[str, Any]:
    """Return a registration."""
    return {"at": at, "type": "artist", "artist": name}


def track(at: int, content: str, *rightsholders: str, **fields: Any) -> dict[str, Any]:
    """Return a content event."""
    return {
        "at": at,
        "type": "content",
        "content": content,
        "rightsholders": list(rightsholders),
        **fields,
    }


def said(at: int, given: str, name: str = "ana", **fields: Any) -> dict[str, Any]:
    """Return a consent record about all of `discovery`, any content, any recipient, no expiry."""
    return {
        "at": at,
        "type": "consent",
        "artist": name,
        "answer": given,
        "use": "discovery",
        "content": None,
        "recipient": None,
        "expires": None,
        **fields,
    }


def delivered(at: int, version: int, name: str = "ana", use: str = "discovery") -> dict[str, Any]:
    """Return a confirmed delivery."""
    return {"at": at, "type": "delivery", "use": use, "version": version, "artist": name}


def check(at: int, who: str = "t1", **fields: Any) -> dict[str, Any]:
    """Return a check of one track, or of one artist, under `discovery` for `internal`."""
    subject = "content" if who.startswith("t") else "artist"
    return {"at": at, "use": "discovery", "recipient": "internal", subject: who, **fields}


def told(events: Sequence[dict[str, Any]], *checks: dict[str, Any]) -> list[str]:
    """Return the reasons for the checks, having seen that the history could have been written."""
    history = {"events": events}
    assert broken_rules(history) == []
    return [answer(history, one).reason for one in checks]


def shared_cases() -> list[dict[str, Any]]:
    """Return the shared histories, or skip where they are not at hand."""
    root = Path(__file__).resolve().parents[2]
    shared = Path(os.environ.get("FERMATA_SHARED", root.parent / "shared"))
    path = shared / "cases" / "histories.ndjson"
    if not path.exists():
        pytest.skip("the shared cases are not beside this repository")
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- the shared cases ---------------------------------------------------------------------------


def disagreements(*, lapse_is_final: bool) -> set[tuple[str, str, str, str]]:
    """Return the columns and contents of the shared cases that the judge answers otherwise."""
    found = set()
    for history in shared_cases():
        for one in history["checks"]:
            given = answer(history, one, lapse_is_final=lapse_is_final)
            if (given.permitted, given.reason) != (one["permitted"], one["reason"]):
                found.add((history["name"], one["use"], one["recipient"], one["content"]))
    return found


def test_the_shared_cases_are_answered_alike_but_for_the_one_that_contradicts_r4() -> None:
    """Every check of every shared history is answered alike, with one named exception."""
    assert disagreements(lapse_is_final=True) == CONTRADICTS_R4


def test_every_shared_case_is_answered_alike_when_a_lapse_is_not_final() -> None:
    """The one exception is about nothing but whether a lapsed yes can come back."""
    assert disagreements(lapse_is_final=False) == set()


def test_the_shared_cases_break_no_write_rule() -> None:
    """The write rules, as the generator keeps them, refuse no event of the shared histories."""
    assert [line for history in shared_cases() for line in broken_rules(history)] == []


# -- the worked examples of section 3 -----------------------------------------------------------


def test_example_1_launch_terms() -> None:
    """A new artist is permitted from registration; a no denies; a yes for one track lifts it."""
    events = [policy(1, "opt_out"), artist(2), track(3, "t1", "ana"), track(4, "t2", "ana")]
    assert told(events, check(2, "ana"), check(4)) == ["window_closed", "window_closed"]
    events += [said(5, "opt_out")]
    assert told(events, check(5)) == ["opted_out"]
    events += [said(6, "opt_in", content="t1")]
    assert told(events, check(6), check(6, "t2")) == ["opted_in", "opted_out"]


def example_2() -> list[dict[str, Any]]:
    """Return a broadening from opt-in to opt-out at two years, with `cleo` out of `training`."""
    start = 2 * YEAR
    return [
        policy(1, "opt_in", use=MUSIC),
        artist(2, "ana"),
        artist(3, "ben"),
        artist(4, "cleo"),
        said(5, "opt_out", "cleo", use="training"),
        policy(start, "opt_out", OTHER, use=MUSIC),
        delivered(start + 1, 2, "ana", use=MUSIC),
        delivered(start + 2, 2, "cleo", use=MUSIC),
    ]


def test_example_2_broadening_waits_for_each_artists_window() -> None:
    """Silence permits from day 30 on, for those who were told, unless they said no long ago."""
    events, closing = example_2(), 2 * YEAR + 1 + 30 * DAY
    assert told(
        events,
        check(YEAR, "ana", use=MUSIC),
        check(closing - 1, "ana", use=MUSIC),
        check(closing, "ana", use=MUSIC),
        check(closing + YEAR, "ben", use=MUSIC),
        check(closing + YEAR, "cleo", use=MUSIC),
    ) == ["no_opt_in", "no_opt_in", "window_closed", "no_opt_in", "opted_out"]
    now = check(2 * YEAR + 3, "ana", use=MUSIC)
    assert interval({"events": events}, now) == (closing, None)


def test_example_3_going_back_binds_at_once() -> None:
    """A version with v1's words and mode overtakes the pending v2, which never binds anybody."""
    start = 2 * YEAR
    events = [*example_2(), policy(start + DAY, "opt_in", use=MUSIC)]
    later = [check(start + days * DAY, "ana", use=MUSIC) for days in (1, 29, 31, 99)]
    assert told(events, *later) == ["no_opt_in"] * 4
    assert answer({"events": events}, later[-1]) == Answer(
        permitted=False, reason="no_opt_in", policy_version=3
    )


def test_example_4_an_editorial_version_passes_nobodys_window() -> None:
    """An editorial version over a pending one binds when that one does, told of it or not."""
    start, closing = 2 * YEAR, 2 * YEAR + 1 + 30 * DAY
    spelling = policy(start + DAY, "opt_out", OTHER + "!", use=MUSIC, editorial=True)
    events = [*example_2(), spelling, delivered(start + 2 * DAY, 3, "ben", use=MUSIC)]
    during, after = check(closing - 1, "ana", use=MUSIC), check(closing, "ana", use=MUSIC)
    assert told(events, during, after) == ["no_opt_in", "window_closed"]
    assert answer({"events": events}, after).policy_version == 3
    assert told(events, check(start + YEAR, "ben", use=MUSIC)) == ["no_opt_in"]


def test_example_5_a_new_recipient_waits_alone() -> None:
    """Under the same words the old recipient goes on and the new one waits for the window."""
    both = ["internal", "partner:tuney"]
    events = [
        policy(1, "opt_out"),
        artist(2),
        policy(3, "opt_out", recipients=both),
        delivered(4, 2),
    ]
    closing = 4 + 30 * DAY
    for at, reason in ((3, "recipient_not_listed"), (closing, "window_closed")):
        tuney = check(at, "ana", recipient="partner:tuney")
        assert told(events, check(at, "ana"), tuney) == ["window_closed", reason]


def test_example_6_the_answer_is_the_intersection_of_the_rightsholders() -> None:
    """One yes until 1 March beside one who is bound by silence: permitted until 1 March."""
    march = 59 * DAY
    events = [
        policy(1, "opt_out"),
        artist(2, "ana"),
        artist(3, "ben"),
        track(4, "t1", "ana", "ben"),
        said(5, "opt_in", expires=march),
    ]
    assert interval({"events": events}, check(5)) == (5, march)
    assert told(events, check(march - 1), check(march)) == ["opted_in", "opt_in_expired"]


def test_example_7_a_wider_yes_lifts_no_narrower_no() -> None:
    """A no for one track outlives a yes for all; a no for all outlives a yes for one track."""
    start = [policy(1, "opt_out"), artist(2), track(3, "t1", "ana"), track(4, "t2", "ana")]
    no_then_yes = [*start, said(5, "opt_out", content="t1"), said(6, "opt_in")]
    assert told(no_then_yes, check(6), check(6, "t2")) == ["opted_out", "opted_in"]
    yes_then_no = [*start, said(5, "opt_in", content="t1"), said(6, "opt_out")]
    assert told(yes_then_no, check(6)) == ["opted_out"]


def test_example_8_a_yes_is_to_the_version_it_was_shown() -> None:
    """A rewritten text needs a new yes; a spelling change does not."""
    start = [policy(1, "opt_in"), artist(2), said(3, "opt_in")]
    rewritten = [*start, policy(4, "opt_in", OTHER)]
    spelling = [*start, policy(4, "opt_in", OTHER, editorial=True)]
    assert told(rewritten, check(4, "ana")) == ["reconsent_required"]
    assert told(spelling, check(4, "ana")) == ["opted_in"]


# -- readings that the text leaves to be found --------------------------------------------------


def test_a_lapsed_yes_stays_lapsed() -> None:
    """R4: after a prohibition has governed, going back to the old words needs a new yes."""
    events = [policy(1, "opt_in"), artist(2), said(3, "opt_in"), policy(4, "prohibited", OTHER)]
    assert told(events, check(4, "ana")) == ["prohibited"]
    events += [policy(5, "opt_in")]
    assert told(events, check(5, "ana")) == ["reconsent_required"]


def test_a_lapse_that_is_not_final_breaks_the_one_interval() -> None:
    """R9 holds only as long as a yes that has lapsed cannot come back by itself."""
    events = [
        policy(1, "opt_in"),
        artist(2),
        said(3, "opt_out", use="*"),
        said(4, "opt_in"),
        policy(5, "opt_out", OTHER),
        delivered(6, 2),
        policy(7, "opt_out"),
        delivered(8, 3),
    ]
    history, now = {"events": events}, check(9, "ana")
    assert broken_rules(history) == []
    assert interval(history, now) == (9, 6 + 30 * DAY)
    with pytest.raises(NotOneIntervalError):
        interval(history, now, lapse_is_final=False)


def test_a_narrower_version_in_between_makes_the_old_terms_wait_again() -> None:
    """R7: being bound means being governed; an opt-out behind an opt-in no longer counts."""
    events = [policy(1, "opt_out"), artist(2), policy(3, "opt_in", OTHER), policy(4, "opt_out")]
    assert told(events, check(4, "ana")) == ["no_opt_in"]


def test_a_yes_permits_under_a_pending_version_at_once() -> None:
    """R4: a yes to an announced version permits although the governing one still prohibits."""
    events = [policy(1, "prohibited"), artist(2), policy(3, "opt_out", OTHER), said(4, "opt_in")]
    assert told(events, check(3, "ana"), check(4, "ana")) == ["prohibited", "opted_in"]


def test_a_yes_covers_no_leaf_declared_later_and_none_that_was_closed() -> None:
    """R4: a yes to all uses names only leaves that asked for one at that moment."""
    events = [
        policy(1, "opt_in"),
        policy(2, "prohibited", use="training.tagging"),
        artist(3),
        said(4, "opt_in", use="*"),
        policy(5, "opt_in", use="training.tagging"),
        policy(6, "opt_in", use=MUSIC),
    ]
    asked = [check(6, "ana", use=use) for use in ("discovery", "training.tagging", MUSIC)]
    assert told(events, *asked) == ["opted_in", "reconsent_required", "reconsent_required"]


def test_an_expired_yes_is_a_no_at_its_whole_scope() -> None:
    """R4: it denies on a leaf it never covered too, and a yes at that instant is not later."""
    events = [
        policy(1, "opt_in"),
        artist(2),
        said(3, "opt_in", use="*", expires=10),
        policy(4, "opt_out", use=MUSIC),
        delivered(5, 1, use=MUSIC),
        said(10, "opt_in"),
    ]
    closed = 5 + 30 * DAY
    asked = [check(10, "ana"), check(closed, "ana", use=MUSIC)]
    assert told(events, *asked) == ["opt_in_expired", "opt_in_expired"]
    assert told([*events, said(11, "opt_in")], check(11, "ana")) == ["opted_in"]


def test_open_is_deaf_to_a_no_until_it_is_left() -> None:
    """R3: a no denies in every mode but open, and is still there once another mode governs."""
    events = [policy(1, "open"), artist(2), said(3, "opt_out"), policy(4, "opt_out", OTHER)]
    events += [delivered(5, 2)]
    assert interval({"events": events}, check(5, "ana")) == (5, 5 + 30 * DAY)


def test_the_window_runs_from_the_first_delivery_only() -> None:
    """R6: a second delivery neither restarts the window nor opens it early."""
    events = [artist(1), policy(2, "opt_out"), delivered(3, 1), delivered(9, 1)]
    assert told(events, check(2, "ana"), check(9, "ana")) == ["not_notified", "window_open"]
    assert interval({"events": events}, check(9, "ana")) == (3 + 30 * DAY, None)


def test_a_least_version_denies_whoever_is_not_bound_by_it() -> None:
    """A pipeline under v2's terms may use v1's artists only once v2 binds them or they said yes."""
    events = [policy(1, "opt_out"), artist(2), artist(3, "ben"), policy(4, "opt_out", OTHER)]
    events += [delivered(5, 2), said(6, "opt_in", "ben")]
    asked = [check(at, who, min_policy_version=2) for at in (4, 6) for who in ("ana", "ben")]
    assert told(events, *asked) == ["not_notified", "not_notified", "window_open", "opted_in"]
    assert told(events, check(6, "ana")) == ["window_closed"]


def test_content_is_judged_before_its_rightsholders() -> None:
    """R1: status and rightsholders of the latest put count; strangers and the erased deny."""
    events = [
        policy(1, "opt_out"),
        artist(2, "ana"),
        artist(3, "ben"),
        track(4, "t1", "ana"),
        track(5, "t1", "ana", status="disputed"),
        track(6, "t1", "ana", status="removed"),
        track(7, "t1"),
        track(8, "t1", "ana", "zoe"),
        track(9, "t1", "ben", "ana"),
        {"at": 10, "type": "erase", "artist": "ana"},
    ]
    assert told(events, check(3), *(check(at) for at in range(4, 11))) == [
        "unknown_content",
        "window_closed",
        "content_disputed",
        "content_removed",
        "no_rightsholder",
        "unknown_artist",
        "window_closed",
        "artist_erased",
    ]
    inner = check(4, use="*")
    assert told(events, inner, check(4, recipient="x")) == ["unknown_use", "recipient_not_listed"]


# -- generated histories ------------------------------------------------------------------------


def test_generated_histories_reach_every_reason() -> None:
    """A few hundred seeds break no write rule and between them see every reason there is."""
    seen: Counter[str] = Counter()
    for seed in range(300):
        history = random_history(random.Random(seed))
        assert broken_rules(history) == []
        seen.update(answer(history, one).reason for one in history["checks"])
    assert set(seen) == set(REASONS)


def test_the_same_seed_is_the_same_history() -> None:
    """Everything is drawn from the generator that was passed in."""
    assert random_history(random.Random(7)) == random_history(random.Random(7))


def test_generated_answers_are_one_interval_that_agrees_at_every_edge() -> None:
    """R9: in silence a check is permitted exactly from `from` on and before `until`."""
    for seed in range(150):
        rng = random.Random(seed)
        history = random_history(rng)
        for one in checks_for(history, rng, 10, past=True):
            start, until = interval(history, one)
            for instant in range(one["at"], one["at"] + 60):
                given = answer_later(history, one, instant).permitted
                inside = start is not None and start <= instant
                assert given == (inside and (until is None or instant < until))
