"""Which version binds an artist on a column, since when, and which one governs (R6, R7)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from service.domain.instant import Instant
from service.domain.policy import Mode, PolicyVersion

_SILENT_PERMIT = frozenset({Mode.OPT_OUT, Mode.OPEN})


@dataclass(frozen=True, slots=True)
class Reign:
    """From `since` on, `version` governs, until the next reign starts."""

    since: Instant
    version: int


@dataclass(frozen=True, slots=True)
class Window:
    """The time one artist has to opt out of one version: `[opens_at, closes_at)`."""

    version: int
    opens_at: Instant
    closes_at: Instant


def window_of(version: PolicyVersion, delivered: Mapping[int, Instant]) -> Window | None:
    """Return the artist's window for a version, or None where no delivery is recorded (R6)."""
    opens_at = delivered.get(version.version)
    if opens_at is None:
        return None
    return Window(version.version, opens_at, opens_at + version.notice_period)


def binding_instants(
    versions: Sequence[PolicyVersion],
    recipient: str,
    registered_at: Instant,
    delivered: Mapping[int, Instant],
) -> list[Instant | None]:
    """Return for each version the instant from which it binds the artist, or None for never (R7).

    `versions` are all versions of one use in order; `delivered` holds, per version number, when
    the first confirmed delivery to this artist was recorded.
    """
    bound: list[Instant | None] = []
    for version in versions:
        window = window_of(version, delivered)
        closes_at = window.closes_at if window else None
        if version.launch:
            since: Instant | None = registered_at
        elif _silence_permits_nothing(version, recipient):
            since = max(version.published_at, registered_at)
        elif version.editorial:
            since = None if bound[-1] is None else max(version.published_at, bound[-1])
        elif _goes_on_under_same_terms(version, recipient, versions, bound):
            since = version.published_at
        else:
            since = closes_at
        bound.append(since)
    return bound


def _silence_permits_nothing(version: PolicyVersion, recipient: str) -> bool:
    return version.mode in {Mode.PROHIBITED, Mode.OPT_IN} or not version.lists(recipient)


def _goes_on_under_same_terms(
    version: PolicyVersion,
    recipient: str,
    versions: Sequence[PolicyVersion],
    bound: Sequence[Instant | None],
) -> bool:
    """R7, third clause: the artist is, at publication, governed by the same terms in silence.

    "Bound" is read as "governed": terms that a later, narrower version has replaced for this
    artist cannot be resumed without a new window.
    """
    if version.mode is not Mode.OPT_OUT:
        return False
    governing = governing_at(reigns(bound), version.published_at)
    if governing is None:
        return False
    before = versions[governing - 1]
    return (
        before.mode in _SILENT_PERMIT and before.lists(recipient) and before.terms == version.terms
    )


def reigns(bound: Sequence[Instant | None]) -> list[Reign]:
    """Return who governs when: the highest version that binds, as steps in order of time (R7)."""
    steps = sorted(
        (since, -number) for number, since in enumerate(bound, start=1) if since is not None
    )
    result: list[Reign] = []
    for since, negated in steps:
        if not result or -negated > result[-1].version:
            result.append(Reign(since, -negated))
    return result


def governing_at(steps: Sequence[Reign], instant: Instant) -> int | None:
    """Return the number of the version that governs at the instant, or None where none binds."""
    governing = None
    for step in steps:
        if step.since > instant:
            break
        governing = step.version
    return governing


def window_matters(
    versions: Sequence[PolicyVersion],
    number: int,
    registered_at: Instant,
    delivered: Mapping[int, Instant],
    now: Instant,
) -> bool:
    """Tell whether a window of this version makes, or would make, its terms govern (R7).

    The window is the artist's own where a delivery is recorded, else one that would open now. What
    governs at its closing is the version, or an editorial one that followed it and waits with it.
    Where it is false nobody needs to be told, or reminded: the version binds without a window, or
    a higher one governs on every column before this window has closed.
    """
    version = versions[number - 1]
    window = window_of(version, {number: now, **delivered})
    if window is None or version.launch or version.editorial:
        return False
    spellings = {number, *(later.version for later in _spelt_anew(versions[number:]))}
    for recipient in version.recipients:
        bound = binding_instants(
            versions, recipient, registered_at, {**delivered, number: window.opens_at}
        )
        if bound[number - 1] == window.closes_at and any(
            step.since == window.closes_at and step.version in spellings for step in reigns(bound)
        ):
            return True
    return False


def _spelt_anew(later: Sequence[PolicyVersion]) -> Iterator[PolicyVersion]:
    return takewhile(lambda version: version.editorial, later)
