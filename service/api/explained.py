"""The whole chain behind one result, as it is written in an answer."""

from service.decisions.explanation import ArtistExplanation, Explanation
from service.domain.assessment import Applied
from service.domain.instant import Instant, format_instant
from service.domain.interval import Interval
from service.ledger.events import Json


def explanation_json(explanation: Explanation) -> Json:
    """Return the whole chain behind one result."""
    return {
        "refused_outright": explanation.refused_outright,
        "rightsholders": [_artist_json(one) for one in explanation.rightsholders],
    }


def _artist_json(one: ArtistExplanation) -> Json:
    return {
        "artist": one.artist,
        "reason": one.reason.value,
        **_interval_json(one.interval),
        "policy": None
        if one.policy is None
        else {
            "version": one.policy.version,
            "mode": one.policy.mode.value,
            "recipients": sorted(one.policy.recipients),
            "revision": one.policy.revision,
        },
        "windows": [
            {
                "policy_version": window.version,
                "opens_at": format_instant(window.opens_at),
                "closes_at": format_instant(window.closes_at),
            }
            for window in one.windows
        ],
        "records": [_record_json(record) for record in one.records],
    }


def _record_json(applied: Applied) -> Json:
    record = applied.record
    return {
        "revision": record.revision,
        "recorded_at": format_instant(record.recorded_at),
        "answer": record.answer.value,
        "use": record.scope.use,
        "content": record.scope.content,
        "recipient": record.scope.recipient,
        "expires_at": _optional(record.expires_at),
        "standing": applied.standing.value,
        "shown_version": applied.version,
        "lapses_at": _optional(applied.lapses_at),
        "lifted_by": applied.lifted_by,
    }


def _interval_json(interval: Interval) -> Json:
    return {
        "permitted_from": _optional(interval.start),
        "valid_until": _optional(interval.end),
    }


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
