"""What one rightsholder's permission rested on at a decision: a yes, a window, or launch terms.

The decision's reason names the first rightsholder's basis alone, and no record. Here it is worked
out for each of them by the rules themselves, from what stood at the decision's revision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.domain.assessment import Applied, Assessment, Column, Reason, Standing
from service.domain.binding import Window, binding_instants, governing_at, reigns, window_of
from service.domain.consent import ConsentRecord
from service.domain.history import Artist
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion


@dataclass(frozen=True, slots=True)
class Origin:
    """How silence came to count: `version` was a launch term (no window), or its window closed.

    It is the version that governs, or the earlier one whose terms that one goes on with: an
    editorial version and one with the same terms bind without a window of their own (R7).
    """

    version: int
    window: Window | None


@dataclass(frozen=True, slots=True)
class Basis:
    """What one rightsholder's answer rested on.

    `yes` is set for `opted_in`, `origin` for `window_closed` and `open`, neither for a denial.
    """

    reason: Reason
    policy_version: int | None
    yes: ConsentRecord | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One check as one rightsholder sees it: the column, the content or all, and the instant."""

    recipient: str
    content: str | None
    instant: Instant
    min_version: int = 1


def basis_of(artist: Artist, versions: Sequence[PolicyVersion], asked: Asked) -> Basis:
    """Return what an artist's answer rested on.

    `artist` and `versions` (all versions of the use, at least one) are as they stood at the
    decision's revision; the instant is not before the last of what they hold.
    """
    column = Column(artist, versions, asked.recipient, asked.content, min_version=asked.min_version)
    found = column.assess(asked.instant)
    match found.reason:
        case Reason.OPTED_IN:
            return Basis(found.reason, found.policy_version, yes=_the_yes(found))
        case Reason.WINDOW_CLOSED | Reason.OPEN:
            origin = _origin(artist, versions, asked.recipient, found.policy_version or 1)
            return Basis(found.reason, found.policy_version, origin=origin)
        case _:
            return Basis(found.reason, found.policy_version)


def _the_yes(found: Assessment) -> ConsentRecord:
    """Return the yes to show: of the newest version it was shown, then the last that was said."""
    valid = [one for one in found.applied if one.standing is Standing.VALID_YES]
    return max(valid, key=_how_new).record


def _how_new(applied: Applied) -> tuple[int, int]:
    return applied.version or 0, applied.record.revision


def _origin(
    artist: Artist, versions: Sequence[PolicyVersion], recipient: str, number: int
) -> Origin:
    delivered: Mapping[int, Instant] = artist.deliveries(versions[0].use)
    bound = binding_instants(versions, recipient, artist.registered_at, delivered)
    while True:
        version = versions[number - 1]
        if version.launch:
            return Origin(number, None)
        if version.editorial:
            number -= 1
        elif bound[number - 1] == version.published_at:  # the same terms go on; no window has ended
            number = governing_at(reigns(bound[: number - 1]), version.published_at) or 1
        else:
            return Origin(number, window_of(version, delivered))
