"""What holds for one artist now, column by column, wherever no single track has its own record."""

from service.domain.assessment import Column
from service.domain.decision import permitted_interval, span_at, spans_of
from service.domain.history import History
from service.domain.instant import Instant, format_instant
from service.ledger.events import Json


def columns_today(history: History, subject: str, now: Instant) -> list[Json]:
    """Return the answer for each column that any version of a use lists. Pure."""
    artist = history.artists[subject]
    found = []
    for use, versions in sorted(history.versions.items()):
        for recipient in sorted({one for version in versions for one in version.recipients}):
            spans = spans_of(Column(artist, versions, recipient, None))
            span, interval = span_at(spans, now), permitted_interval(spans)
            found.append(
                {
                    "use": use,
                    "recipient": recipient,
                    "permitted": span.permitted,
                    "reason": span.reason.value,
                    "policy_version": span.policy_version,
                    "permitted_from": _instant(interval.start),
                    "valid_until": _instant(interval.end),
                }
            )
    return found


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
