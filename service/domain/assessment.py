"""One artist, one column, one instant: every rule applied, and what it found on the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from service.domain.binding import (
    Reign,
    Window,
    binding_instants,
    governing_at,
    reigns,
    window_of,
)
from service.domain.consent import Answer, ConsentRecord
from service.domain.history import Artist
from service.domain.instant import Instant
from service.domain.policy import ASKING, Mode, PolicyVersion


class Reason(StrEnum):
    """Why an answer is what it is. The order of the denials is the order of precedence."""

    OPEN = "open"
    WINDOW_CLOSED = "window_closed"
    OPTED_IN = "opted_in"

    UNKNOWN_USE = "unknown_use"
    UNKNOWN_CONTENT = "unknown_content"
    CONTENT_REMOVED = "content_removed"
    CONTENT_DISPUTED = "content_disputed"
    NO_RIGHTSHOLDER = "no_rightsholder"
    UNKNOWN_ARTIST = "unknown_artist"
    ARTIST_ERASED = "artist_erased"
    PROHIBITED = "prohibited"
    RECIPIENT_NOT_LISTED = "recipient_not_listed"
    OPTED_OUT = "opted_out"
    OPT_IN_EXPIRED = "opt_in_expired"
    RECONSENT_REQUIRED = "reconsent_required"
    NO_OPT_IN = "no_opt_in"
    NOT_NOTIFIED = "not_notified"
    WINDOW_OPEN = "window_open"


PERMITS = frozenset({Reason.OPEN, Reason.WINDOW_CLOSED, Reason.OPTED_IN})


class Standing(StrEnum):
    """What a record that covers the check amounts to at an instant."""

    NO = "no"
    EXPIRED_YES = "expired_yes"
    VALID_YES = "valid_yes"
    LAPSED_YES = "lapsed_yes"
    NOT_COVERED = "not_covered"
    TAKEN_BACK = "taken_back"


_YES_OF_NO_USE = frozenset({Standing.LAPSED_YES, Standing.NOT_COVERED})


@dataclass(frozen=True, slots=True)
class Applied:
    """A record that covers the check, what it amounts to, and the yes that lifts it, if any.

    `version` is the one a yes was shown for this leaf; `lapses_at` the instant at which a later
    version with other terms governs.
    """

    record: ConsentRecord
    standing: Standing
    version: int | None = None
    lapses_at: Instant | None = None
    lifted_by: int | None = None

    @property
    def denies_since(self) -> Instant | None:
        """The instant from which this record is a no, or None where it is none."""
        if self.standing is Standing.NO:
            return self.record.recorded_at
        if self.standing is Standing.EXPIRED_YES:
            return self.record.expires_at
        return None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer for one artist at one instant, with everything it rests on."""

    reason: Reason
    policy_version: int | None
    applied: tuple[Applied, ...]
    windows: tuple[Window, ...]

    @property
    def permitted(self) -> bool:
        """Whether the artist permits it."""
        return self.reason in PERMITS


class Column:
    """One artist seen under one (leaf use, recipient), for one content or for all.

    Everything that does not depend on the instant is worked out once here; `assess` and `edges`
    then answer for any instant from `settled_at` on.
    """

    def __init__(
        self,
        artist: Artist,
        versions: Sequence[PolicyVersion],
        recipient: str,
        content: str | None,
        *,
        min_version: int = 1,
    ) -> None:
        """Look at the artist under all versions of one use, in order; there is at least one."""
        self._artist = artist
        self._versions = versions
        self._recipient = recipient
        self._min_version = min_version
        use = versions[0].use
        self._delivered = artist.deliveries(use)
        self._bound = binding_instants(versions, recipient, artist.registered_at, self._delivered)
        self._reigns = reigns(self._bound)
        self._records = sorted(
            (r for r in artist.said_of(content) if r.scope.covers(use, content, recipient)),
            key=lambda record: record.revision,
        )

    @property
    def settled_at(self) -> Instant:
        """The instant of the last thing said or done that bears on this column."""
        return max(
            self._artist.registered_at,
            self._versions[-1].published_at,
            *(record.recorded_at for record in self._records),
            *self._delivered.values(),
        )

    def edges(self) -> list[Instant]:
        """Return every instant after `settled_at` at which the answer may change by itself."""
        instants = [step.since for step in self._reigns]
        instants += [r.expires_at for r in self._records if r.expires_at is not None]
        settled_at = self.settled_at
        return sorted({instant for instant in instants if instant > settled_at})

    def assess(self, instant: Instant) -> Assessment:
        """Apply the rules at an instant not before `settled_at`."""
        applied = _lift([self._weigh(record, instant) for record in self._records])
        governing = governing_at(self._reigns, instant)
        reason, version = self._judge(governing, applied)
        if reason in PERMITS and (version or 0) < self._min_version:
            reason = self._waiting(self._min_version)
        return Assessment(reason, version, tuple(applied), self._windows())

    def _judge(
        self, governing: int | None, applied: Sequence[Applied]
    ) -> tuple[Reason, int | None]:
        """Return the reason, and the version that it is judged by.

        That is the one that governs; or, where a yes permits, a later one that it was shown: it
        permits at once, whatever governs until then (R4). Under `open` nobody is asked, so there a
        yes counts only for a pipeline that acts under its version already.
        """
        by_terms, by_word = self._by_terms_alone(governing), _by_what_was_said(applied)
        enough = governing is not None and governing >= self._min_version
        if by_word is Reason.OPTED_IN and not (by_terms is Reason.OPEN and enough):
            shown = [a.version or 0 for a in applied if a.standing is Standing.VALID_YES]
            return by_word, max(governing or 0, *shown)
        return by_terms or by_word or self._by_silence(governing, applied), governing

    def _windows(self) -> tuple[Window, ...]:
        found = (window_of(version, self._delivered) for version in self._versions)
        return tuple(window for window in found if window is not None)

    def _weigh(self, record: ConsentRecord, instant: Instant) -> Applied:
        if record.answer is Answer.INHERIT:
            return Applied(record, Standing.TAKEN_BACK)
        if record.answer is Answer.OPT_OUT:
            return Applied(record, Standing.NO)
        if record.expires_at is not None and record.expires_at <= instant:
            return Applied(record, Standing.EXPIRED_YES)
        shown = _shown(record, self._versions)
        if shown is None or shown.mode not in ASKING or not shown.lists(self._recipient):
            return Applied(record, Standing.NOT_COVERED)
        lapses_at = _lapse(shown, self._versions, self._reigns, self._recipient)
        lapsed = lapses_at is not None and lapses_at <= instant
        standing = Standing.LAPSED_YES if lapsed else Standing.VALID_YES
        return Applied(record, standing, shown.version, lapses_at)

    def _by_terms_alone(self, version: int | None) -> Reason | None:
        if version is None:
            return None
        terms = self._versions[version - 1]
        if terms.mode is Mode.PROHIBITED:
            return Reason.PROHIBITED
        if not terms.lists(self._recipient):
            return Reason.RECIPIENT_NOT_LISTED
        return Reason.OPEN if terms.mode is Mode.OPEN else None

    def _by_silence(self, governing: int | None, applied: Sequence[Applied]) -> Reason:
        mode = self._versions[governing - 1].mode if governing is not None else None
        if mode is Mode.OPT_OUT:
            return Reason.WINDOW_CLOSED
        if any(a.standing in _YES_OF_NO_USE for a in applied):
            return Reason.RECONSENT_REQUIRED
        return Reason.NO_OPT_IN if mode is Mode.OPT_IN else self._waiting(1)

    def _waiting(self, least: int) -> Reason:
        """Return why no version from `least` on binds yet: nobody was told, or the window runs."""
        if any(since is not None for since in self._bound[least - 1 :]):
            return Reason.WINDOW_OPEN
        return Reason.NOT_NOTIFIED


def _by_what_was_said(applied: Sequence[Applied]) -> Reason | None:
    standing = {a.standing for a in applied if a.lifted_by is None}
    if Standing.NO in standing:
        return Reason.OPTED_OUT
    if Standing.EXPIRED_YES in standing:
        return Reason.OPT_IN_EXPIRED
    return Reason.OPTED_IN if Standing.VALID_YES in standing else None


def _shown(record: ConsentRecord, versions: Sequence[PolicyVersion]) -> PolicyVersion | None:
    """Return the latest version published when the yes was given, or None if there was none."""
    shown = None
    for version in versions:
        if version.revision < record.revision:
            shown = version
    return shown


def _lapse(
    shown: PolicyVersion,
    versions: Sequence[PolicyVersion],
    steps: Iterable[Reign],
    recipient: str,
) -> Instant | None:
    """Return the instant from which a yes to `shown` has lapsed for good, or None (R4)."""
    for step in steps:
        later = versions[step.version - 1]
        if later.version > shown.version and (
            later.terms != shown.terms
            or later.mode is Mode.PROHIBITED
            or not later.lists(recipient)
        ):
            return step.since
    return None


def _lift(applied: Sequence[Applied]) -> list[Applied]:
    """Mark every no that a later, valid, at least as specific yes lifts (R3)."""
    yeses = [a.record for a in applied if a.standing is Standing.VALID_YES]
    return [replace(a, lifted_by=_lifter(a, yeses)) if yeses else a for a in applied]


def _lifter(no: Applied, yeses: Iterable[ConsentRecord]) -> int | None:
    denies_since = no.denies_since
    if denies_since is None:
        return None
    for yes in yeses:
        later = yes.recorded_at > denies_since
        if later and yes.scope.at_least_as_specific_as(no.record.scope):
            return yes.revision
    return None
