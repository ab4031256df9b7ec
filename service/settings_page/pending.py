"""What is planned: versions that only a window can make bind this artist, and has not yet (R7)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from service.domain.assessment import Reason
from service.domain.binding import window_matters
from service.domain.instant import Instant
from service.domain.policy import Mode, PolicyVersion
from service.policies.publish import notice_id
from service.settings_page.view import View, in_order

_SAID_NO = frozenset({Reason.OPTED_OUT, Reason.OPT_IN_EXPIRED})


@dataclass(frozen=True, slots=True)
class Waiting:
    """One such version: the recipients it waits for, and the artist's window if it is open.

    `answered` says that a no stands in the way on every one of them when the window closes.
    """

    version: PolicyVersion
    recipients: tuple[str, ...]
    delivered_at: Instant | None
    closes_at: Instant | None
    answered: bool

    @property
    def notice(self) -> str:
        """The id of the version's notice."""
        return notice_id(self.version.use, self.version.version)


def waiting(view: View) -> list[Waiting]:
    """Return what waits for the artist: the nearest closing first, what runs not yet last."""
    found = [
        one
        for use, versions in view.versions.items()
        for version in versions
        if (one := _waiting(view, use, versions, version)) is not None
    ]
    return sorted(found, key=_nearest_first)


def _nearest_first(one: Waiting) -> tuple[bool, Instant, str, int]:
    at = one.version.published_at if one.closes_at is None else one.closes_at
    return one.closes_at is None, at, one.version.use, one.version.version


def _waiting(
    view: View, use: str, versions: Sequence[PolicyVersion], version: PolicyVersion
) -> Waiting | None:
    if version.mode is not Mode.OPT_OUT or version.launch or version.editorial:
        return None
    delivered = view.artist.deliveries(use)
    told_at = delivered.get(version.version)
    closes_at = None if told_at is None else told_at + version.notice_period
    over = not _is_current(versions, version) if closes_at is None else closes_at <= view.now
    if over:
        return None
    recipients = in_order(frozenset(_recipients(view, versions, version, delivered)))
    if not recipients:
        return None
    answered = _is_answered(view, version, recipients)
    return Waiting(version, tuple(recipients), told_at, closes_at, answered)


def _is_current(versions: Sequence[PolicyVersion], version: PolicyVersion) -> bool:
    """Tell whether anybody is still told of it: no other terms have been published since."""
    return all(later.editorial for later in versions[version.version :])


def _recipients(
    view: View,
    versions: Sequence[PolicyVersion],
    version: PolicyVersion,
    delivered: Mapping[int, Instant],
) -> Iterator[str]:
    """Return for whom the window matters: asked as if it were for one of them alone."""
    at = version.version - 1
    for recipient in version.recipients:
        alone = replace(version, recipients=frozenset({recipient}))
        if window_matters(
            [*versions[:at], alone, *versions[at + 1 :]],
            version.version,
            view.artist.registered_at,
            delivered,
            view.now,
        ):
            yield recipient


def _is_answered(view: View, version: PolicyVersion, recipients: Sequence[str]) -> bool:
    told = view.told(version.use, version.version, view.now)
    closes_at = told.artist.deliveries(version.use)[version.version] + version.notice_period
    return all(
        told.column(version.use, recipient).assess(closes_at).reason in _SAID_NO
        for recipient in recipients
    )
