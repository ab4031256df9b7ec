"""What the judge says about one result of a check, and whether the service's result agrees."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from service.domain.instant import Instant, parse_instant
from tests.judge.oracle import Answer, Judge, answer, interval

History = Mapping[str, Any]
Check = Mapping[str, Any]


class Rightsholder(NamedTuple):
    """What decides for one rightsholder: what governs, and to which versions a yes holds."""

    answer: Answer
    governing: int | None
    yeses: list[int]

    @property
    def bound_to(self) -> int | None:
        """R4: a yes binds its giver to the version it was shown, be that one pending still."""
        return max(
            [*self.yeses, *([] if self.governing is None else [self.governing])], default=None
        )


def disagreement(history: History, check: Check, result: Mapping[str, Any]) -> str | None:
    """Return how the service's result differs from what the judge says, or None."""
    judged = answer(history, check)
    if result["permitted"] != judged.permitted:
        return f"the judge says {judged}"
    asked = _asked(history, check)
    decisive = next((one for one in asked if one.answer == judged), None)
    if result["reason"] != judged.reason:
        return f"the judge says {judged}"
    version = None if decisive is None else _version(decisive, result["reason"])
    if result["policy_version"] != version:
        return f"by R4 and R7 the version is {version}"
    span = _from_now_on(result, check["at"])
    if span != interval(history, check):
        return f"the judge's interval is {interval(history, check)}, not {span}"
    return None


def _asked(history: History, check: Check) -> list[Rightsholder]:
    """Return what decides for each rightsholder who is asked at all, in the content's order."""
    events = [event for event in history["events"] if event["at"] <= check["at"]]
    judge = Judge(events, check, check["at"], lapse_is_final=True)
    artists = [check["artist"]] if "artist" in check else _holders(events, check["content"])
    known = [one for one in artists if judge.registered_at(one) is not None]
    return [_rightsholder(judge, artist) for artist in known if judge.versions]


def _holders(events: Sequence[Mapping[str, Any]], content: str) -> list[str]:
    puts = [e for e in events if e["type"] == "content" and e["content"] == content]
    return puts[-1]["rightsholders"] if puts else []


def _rightsholder(judge: Judge, artist: str) -> Rightsholder:
    yeses = judge.valid_yeses(artist, judge.current_records(artist))
    return Rightsholder(
        judge.decide_for(artist),
        judge.governing(artist, judge.now),
        [yes.version for yes in yeses],
    )


def _version(decisive: Rightsholder, reason: str) -> int | None:
    """Return the version that the answer has to name: a later one only where a yes to it permits.

    The judge's own `policy_version` is always the one that governs by R7.
    """
    return decisive.bound_to if reason == "opted_in" else decisive.governing


def _from_now_on(result: Mapping[str, Any], at: Instant) -> tuple[Instant | None, Instant | None]:
    """Return the part of the result's interval that lies from `at` on, as the judge gives it."""
    start, until = result["permitted_from"], result["valid_until"]
    if start is None:
        return None, None
    end = None if until is None else parse_instant(until)
    if end is not None and end <= at:
        return None, None
    return max(parse_instant(start), at), end


def acting_under(history: History, check: Check, result: Mapping[str, Any]) -> str | None:
    """Return how a result under `min_policy_version` differs from what the judge says, or None.

    Only permit or no permit is compared. Where a yes was said to a version before the one asked
    for, and a later version with the same terms binds, the two readers differ: it is left out.
    """
    judged = answer(history, check)
    if result["permitted"] == judged.permitted:
        return None
    least: int = check["min_policy_version"]
    plain = {key: value for key, value in check.items() if key != "min_policy_version"}
    earlier = [one for one in _asked(history, plain) if min(one.yeses, default=least) < least]
    return None if earlier else f"the judge says {judged}"
