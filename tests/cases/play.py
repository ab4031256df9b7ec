"""Plays a case: what happens becomes the ledger's facts, and every check is asked of `decide`."""

import re
from collections.abc import Mapping, Sequence
from functools import singledispatchmethod
from hashlib import sha256
from typing import Final

import msgspec

from service.domain.consent import Answer, Scope, refuse_consent, refuse_shown
from service.domain.decision import Decision, Query, decide
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.instant import (
    DAY,
    SECOND,
    Instant,
    format_instant,
    parse_duration,
    parse_instant,
)
from service.domain.policy import PolicyDraft, PolicyVersion, refuse_policy
from service.domain.refusal import Refusal
from tests.cases.schema import (
    Bounce,
    Check,
    Deliver,
    Erase,
    Expected,
    Inherit,
    OptIn,
    OptOut,
    Publish,
    Put,
    RaiseMinimumNotice,
    Register,
    Statement,
    Step,
)

DAY_ZERO: Final = parse_instant("2026-01-01T00:00:00Z")
"""Day 0 of every case; the ledger was opened, with the charter, a second before."""

_DAY = re.compile(r"day (\d+)")
_NUDGES: Final[Mapping[str, int]] = {"just before ": -1, "just after ": 1}


def moment(text: str) -> Instant:
    """Return the instant of `day 30`, `P30DT12H` (after day 0) or `2026-03-01T00:00:00Z`.

    `just before` and `just after` in front of one move it by a microsecond.
    """
    for nudge, by in _NUDGES.items():
        if text.startswith(nudge):
            return moment(text.removeprefix(nudge)) + by
    day = _DAY.fullmatch(text)
    if day is not None:
        return DAY_ZERO + int(day[1]) * DAY
    return DAY_ZERO + parse_duration(text) if text.startswith("P") else parse_instant(text)


class Play:
    """One case as it unfolds: the facts so far, and what they add up to."""

    def __init__(self) -> None:
        """Open the ledger just before day 0."""
        self.now: Instant = DAY_ZERO - SECOND
        self.facts: list[tuple[Instant, Fact | None]] = []
        self.history = History()
        self._append(CharterSet(30 * DAY))

    def run(self, steps: Sequence[Step]) -> None:
        """Let everything happen in order; raises AssertionError at the first wrong answer."""
        for step in steps:
            try:
                self._pass_time(step)
                self._take(step)
            except (AssertionError, KeyError, ValueError) as error:
                error.add_note(f"in the step {msgspec.json.encode(step).decode()}")
                raise

    def _pass_time(self, step: Step) -> None:
        _insist("on a day or at a moment", step.day is None or step.at is None, right=True)
        if isinstance(step, Check) and step.as_of is not None:
            return  # a question about the past happens now
        pause = 0 if isinstance(step, Check) else SECOND
        then = self._when(step, self.now + pause)
        _insist("in the order of time", then >= self.now, right=True)
        self.now = then

    def _when(self, step: Step, otherwise: Instant) -> Instant:
        if step.day is not None:
            return moment(f"day {step.day}")
        return otherwise if step.at is None else moment(step.at)

    def _append(self, fact: Fact | None) -> None:
        self.facts.append((self.now, fact))
        self.history.apply(len(self.facts), self.now, fact)

    def _write(self, refused: Sequence[str], refusals: Sequence[Refusal], fact: Fact) -> None:
        """Append the fact, or leave no trace where the write is rightly refused."""
        _insist("refused as", sorted(r.code for r in refusals), sorted(refused))
        if not refusals:
            self._append(fact)

    @property
    def _latest(self) -> list[PolicyVersion]:
        return [versions[-1] for versions in self.history.versions.values()]

    @singledispatchmethod
    def _take(self, step: Step) -> None:
        raise ValueError(f"nobody knows how to play {type(step).__name__}")

    @_take.register
    def _(self, step: RaiseMinimumNotice) -> None:
        self._append(CharterSet(parse_duration(step.raise_minimum_notice)))

    @_take.register
    def _(self, step: Register) -> None:
        self._append(ArtistsRegistered(tuple(step.register)))

    @_take.register
    def _(self, step: Erase) -> None:
        self._append(ArtistErased(step.erase))

    @_take.register
    def _(self, step: Put) -> None:
        item = ContentItem(step.put, tuple(step.rightsholders), step.status)
        self._append(ContentPut((item,)))

    @_take.register
    def _(self, step: Publish) -> None:
        words = step.text if isinstance(step.text, dict) else {"en": step.text}
        texts = frozenset((at, sha256(text.encode()).hexdigest()) for at, text in words.items())
        recipients, notice = frozenset(step.recipients), parse_duration(step.notice)
        refusals = refuse_policy(
            PolicyDraft(step.publish, step.mode, recipients, notice, words, step.editorial),
            texts,
            self.history.versions.get(step.publish, []),
            launch=self.history.first_artist_at is None,
            min_notice_period=self.history.min_notice_period,
        )
        fact = PolicyPublished(step.publish, step.mode, recipients, notice, texts, step.editorial)
        self._write(step.refused, refusals, fact)

    @_take.register
    def _(self, step: Deliver) -> None:
        published = range(1, len(self.history.versions[step.deliver]) + 1)
        _insist("published before its notice", step.version in published, right=True)
        self._append(NoticeDelivered(step.deliver, step.version, tuple(step.to)))

    @_take.register
    def _(self, step: Bounce) -> None:
        self._append(None)

    @_take.register
    def _(self, step: OptIn) -> None:
        shown = refuse_shown(step.shown, _scope(step), self._latest)
        self._say(step.opt_in, Answer.OPT_IN, step, shown)

    @_take.register
    def _(self, step: OptOut) -> None:
        self._say(step.opt_out, Answer.OPT_OUT, step, [])

    @_take.register
    def _(self, step: Inherit) -> None:
        self._say(step.inherit, Answer.INHERIT, step, [])

    def _say(self, artist: str, answer: Answer, step: Statement, shown: list[Refusal]) -> None:
        expires_at = None if step.expires is None else moment(step.expires)
        refusals = refuse_consent(
            answer, _scope(step), expires_at, latest=self._latest, now=self.now
        )
        fact = ConsentRecorded(artist, answer, _scope(step), expires_at)
        self._write(step.refused, [*refusals, *shown], fact)

    @_take.register
    def _(self, step: Check) -> None:
        one_of_both = (step.content is None) != (step.artist is None)
        _insist("about a content or an artist", one_of_both, right=True)
        query = Query(step.check, step.recipient, step.content, step.artist, step.acting_under)
        at = self._when(step, self.now)
        given = decide(self._as_of(step.as_of or _EVERYTHING), query, at)
        _insist("answered", _said(given, step.expect), _expected(step.expect))
        if step.as_of is None:
            _insist("answered before the replay (R10)", decide(self.history, query, at), given)

    def _as_of(self, text: str) -> History:
        """Return what the ledger added up to at a moment, folded anew."""
        until = moment(text)
        history = History()
        for revision, (at, fact) in enumerate(self.facts, start=1):
            if at <= until:
                history.apply(revision, at, fact)
        return history


def _insist(what: str, given: object, right: object) -> None:
    """Fail, with both sides told, unless what is given is right."""
    if given != right:
        raise AssertionError(f"{what}: {given}, where the case says: {right}")


_EVERYTHING: Final = "9999-12-31T00:00:00Z"
_WORDS: Final = frozenset({"never", "forever"})


def _scope(step: Statement) -> Scope:
    return Scope(step.use, step.content, step.recipient)


def _expected(expected: Expected) -> dict[str, object]:
    """Return what a case expects, with every moment written as an instant."""
    return {
        key: _written(value) if key in {"from", "until"} else value
        for key, value in msgspec.to_builtins(expected).items()
    }


def _written(text: str) -> str:
    return text if text in _WORDS else format_instant(moment(text))


def _said(given: Decision, expected: Expected) -> dict[str, object]:
    """Return the decision in a case's words, as far as the case speaks of it."""
    since, until = given.interval.start, given.interval.end
    never = since is None
    said = {
        "permitted": given.permitted,
        "reason": given.reason.value,
        "policy_version": given.policy_version,
        "from": "never" if since is None else format_instant(since),
        "until": "never" if never else "forever" if until is None else format_instant(until),
    }
    return {key: said[key] for key in _expected(expected)}
