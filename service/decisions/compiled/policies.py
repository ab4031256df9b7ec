"""The policies of a history, and where it stands, as bytes."""

import msgspec

from service.domain.history import History
from service.domain.instant import Duration, Instant
from service.domain.policy import PolicyVersion


class _Policies(msgspec.Struct):
    revision: int
    recorded_at: Instant
    min_notice_period: Duration
    first_artist_at: Instant | None
    versions: dict[str, list[PolicyVersion]]


def policies_to_bytes(history: History) -> bytearray:
    """Return everything but artists and content."""
    policies = _Policies(
        history.revision,
        history.recorded_at,
        history.min_notice_period,
        history.first_artist_at,
        history.versions,
    )
    return bytearray(msgspec.json.encode(policies))


def policies_from_bytes(text: bytearray, history: History) -> None:
    """Let a history stand there. Raises ValueError where these bytes are no policies."""
    policies = msgspec.json.decode(text, type=_Policies)
    history.revision = policies.revision
    history.recorded_at = policies.recorded_at
    history.min_notice_period = policies.min_notice_period
    history.first_artist_at = policies.first_artist_at
    history.versions = policies.versions
