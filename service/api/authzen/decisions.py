"""Decisions on the wire: what stands in the context of an answer."""

from service.domain.decision import Decision
from service.domain.instant import format_instant
from service.ledger.events import Json


def reason_and_interval(decision: Decision) -> Json:
    """Return why, under which version, and for how long; what there is nothing of is left out."""
    written: Json = {"reason": decision.reason.value}
    if decision.policy_version is not None:
        written["policy_version"] = decision.policy_version
    if decision.interval.start is not None:
        written["permitted_from"] = format_instant(decision.interval.start)
    if decision.interval.end is not None:
        written["valid_until"] = format_instant(decision.interval.end)
    return written
