"""A logged decision as it is written for whoever accounts for it: JSON, in the words of answers."""

from collections.abc import Mapping
from typing import Final

from service.decisions.log.entry import Entry, Outcome
from service.decisions.question import About
from service.domain.decision import Decision
from service.domain.instant import Instant, format_instant
from service.ledger.events import Json

_NATIVE: Final = "checks"


def entry_json(entry: Entry) -> Json:
    """Return who asked what, when and at which revision, and what came of it in numbers."""
    request = entry.request
    return {
        "decision_id": entry.place.decision_id,
        "answered_at": format_instant(entry.place.answered_at),
        "evaluated_at": format_instant(entry.evaluated_at),
        "revision": entry.revision,
        "client": entry.client,
        "caller": entry.caller,
        "use": entry.use,
        "recipient": entry.recipient,
        "about": entry.about.value,
        "run": entry.run,
        "job": entry.job,
        "interface": request.get("interface", _NATIVE),
        "consistency": request["consistency"],
        "min_policy_version": request.get("min_policy_version"),
        "at": request.get("at"),
        "explain": request.get("explain", False),
        "number": entry.number,
        "reasons": {reason.value: count for reason, count in entry.reasons.items()},
    }


def result_json(about: About, outcome: Outcome | None, named: Mapping[str, str]) -> Json | None:
    """Return an outcome as the check answered it; an artist by the id they have now, if any."""
    if outcome is None:
        return None
    by_content = about is About.CONTENT
    return {
        "content": outcome.one if by_content else None,
        "artist": None if by_content else named.get(outcome.one),
        **answer_json(outcome.decision),
    }


def answer_json(decision: Decision) -> Json:
    """Return one answer without what it is about."""
    return {
        "permitted": decision.permitted,
        "reason": decision.reason.value,
        "policy_version": decision.policy_version,
        "permitted_from": _optional(decision.interval.start),
        "valid_until": _optional(decision.interval.end),
    }


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
