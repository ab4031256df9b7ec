"""Content is answered as all its rightsholders are, however many, each in its own place (R8)."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.compiled.answers import Answers, Codes, Instants, code_of
from service.decisions.compiled.ask import ask_content
from service.decisions.compiled.rightsholders import Rightsholders
from service.decisions.compiled.slots import Ordinals
from service.domain.assessment import Reason
from service.domain.decision import Decision, Span, combine
from service.domain.events import ContentStatus
from service.domain.interval import NEVER

VOICES = 12
NOW = 100
_OUTRIGHT = {
    None: Reason.UNKNOWN_CONTENT,
    ContentStatus.REMOVED: Reason.CONTENT_REMOVED,
    ContentStatus.DISPUTED: Reason.CONTENT_DISPUTED,
}


def _spans(rng: random.Random) -> tuple[Span, ...]:
    """Return an answer: denied or permitted now, and perhaps otherwise before or after."""
    since, until = sorted(rng.sample(range(90, 111), 2))
    permit = Span(since, Reason.OPTED_IN, rng.randrange(1, 4))
    before = Span(80, Reason.WINDOW_OPEN, None)
    after = Span(until, Reason.OPT_IN_EXPIRED, rng.randrange(1, 4))
    never = Span(80, rng.choice((Reason.OPTED_OUT, Reason.PROHIBITED)), rng.randrange(1, 4))
    return rng.choice([(permit,), (permit, after), (before, permit, after), (permit,), (never,)])


@given(st.integers(0, 2**32))
def test_everybody_agrees_or_the_first_who_does_not_is_named(seed: int) -> None:
    """From the latest start to the earliest end, and never where these leave nothing between."""
    rng = random.Random(seed)
    spans = [_spans(rng) for _ in range(VOICES)]
    alone = [combine([each], NOW) for each in spans]

    def ask(voices: Ordinals) -> tuple[Codes, Instants, Instants]:
        chosen = [alone[voice] for voice in voices.tolist()]
        never = 2**63 - 1
        return (
            np.array([code_of(one.reason, one.policy_version) for one in chosen], np.int32),
            np.array(
                [never if (s := one.interval.start) is None else s for one in chosen], np.int64
            ),
            np.array([never if (e := one.interval.end) is None else e for one in chosen], np.int64),
        )

    easy = [n for n, one in enumerate(alone) if one.permitted] or [0]
    holders = [
        rng.choices(rng.choice((range(VOICES), easy)), k=rng.choice((0, 1, 2, 3, 4, 5, 6, 9, 80)))
        for _ in range(60)
    ]
    statuses = [rng.choice((*(ContentStatus.ACTIVE,) * 3, *ContentStatus)) for _ in holders]
    rightsholders = Rightsholders()
    rightsholders.reach(len(holders) + 2)
    rightsholders.put(
        np.arange(1, len(holders) + 1, dtype=np.uint32),
        statuses,
        np.array([len(each) for each in holders], np.int64),
        np.array([one for each in holders for one in each], np.uint32),
    )
    asked = rng.choices(range(len(holders) + 2), k=90)
    answers = Answers.empty(len(asked))
    answers.fill(slice(None), *ask_content(rightsholders, np.array(asked, np.uint32), ask))
    for position, content in enumerate(asked):
        status = statuses[content - 1] if 0 < content <= len(holders) else None
        if status in _OUTRIGHT or not holders[content - 1]:
            reason = _OUTRIGHT.get(status, Reason.NO_RIGHTSHOLDER)
            expected = Decision(permitted=False, reason=reason, policy_version=None, interval=NEVER)
        else:
            expected = combine([spans[voice] for voice in holders[content - 1]], NOW)
        assert answers.decision(position) == expected, (content, status)
