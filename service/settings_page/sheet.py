"""The sheet: everything that one artist's settings page shows, as values."""

from dataclasses import dataclass

from service.consents.authority import ActingAs
from service.domain.assessment import Reason
from service.domain.consent import Answer
from service.domain.instant import Duration, Instant
from service.domain.interval import Interval
from service.domain.policy import Mode


@dataclass(frozen=True, slots=True)
class Words:
    """A version's exact words in one locale and their SHA-256 (hexadecimal)."""

    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Said:
    """The record that stands at exactly one scope. One that was taken back is no record."""

    revision: int
    answer: Answer
    use: str
    content: str | None
    recipient: str | None
    recorded_at: Instant
    expires_at: Instant | None
    acting_as: ActingAs


@dataclass(frozen=True, slots=True)
class Today:
    """The answer for all of the artist's tracks under one column, now, and why.

    `version` governs, or is the one a yes was given to; None where no version binds yet.
    `until` and `since` are the interval of R9. `said` is the record at exactly (this use, all
    tracks, this recipient).
    """

    recipient: str
    permitted: bool
    reason: Reason
    version: int | None
    interval: Interval
    said: Said | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A published version that only a window can make bind this artist (R7), and has not yet.

    `delivered_at` and `closes_at` are None until the artist has been told: then nothing runs.
    `answered` says that a no already stands in the way on every recipient it waits for.
    """

    notice: str
    use: str
    version: int
    recipients: tuple[str, ...]
    notice_period: Duration
    announced_at: Instant
    delivered_at: Instant | None
    closes_at: Instant | None
    words: dict[str, Words]
    answered: bool


@dataclass(frozen=True, slots=True)
class UseSetting:
    """One leaf use. `version`, `mode`, `recipients` and `words` are those of its latest version.

    `said` is the record at exactly (this use, all tracks, any recipient).
    """

    use: str
    names: dict[str, str]
    version: int
    mode: Mode
    words: dict[str, Words]
    recipients: tuple[str, ...]
    today: tuple[Today, ...]
    said: Said | None


@dataclass(frozen=True, slots=True)
class Group:
    """The uses beneath one first step of the path, such as `training`, in order of their paths.

    A leaf without a dot is a group of its own. `said` is the record at exactly (this node, all
    tracks, any recipient).
    """

    node: str
    names: dict[str, str]
    said: Said | None
    uses: tuple[UseSetting, ...]


@dataclass(frozen=True, slots=True)
class TrackException:
    """A record about one track alone. `title` is None for a track that is not known (any more).

    `lifted` says that it does nothing now, on any column: a yes that has lapsed or that a later no
    stands against, a no that a later yes lifts. An expired yes is a no (R4), so it does something.
    """

    said: Said
    title: str | None
    lifted: bool


@dataclass(frozen=True, slots=True)
class Partner:
    """A recipient of some use, `internal` left out. `uses` are those whose latest version lists it.

    `said` is the record at exactly (the root, all tracks, this recipient).
    """

    recipient: str
    uses: tuple[str, ...]
    said: Said | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One artist's settings at one revision of the ledger and one instant.

    `etag` is a whole entity tag, quotes included. It stands for everything on the sheet but
    `revision` and `evaluated_at`. A yes given on this sheet goes with it as `If-Match`: it is
    taken while the words shown, and all this artist has been told and has said, are the same (R4).
    `no_ai` is the record at the root for all tracks and any recipient, if it is a no.
    `not_reached` are the uses that no switch reaches: their governing version is `open`.
    `can_say_yes` is false for a delegate who may only say no. `acting_as` is None for an audit.
    `elsewhere` are the records for all tracks whose scope has no place of its own on the sheet: a
    yes at the root, a node between a group and its uses, a group for one recipient.
    `tracks` is one page of the records about single tracks, newest first; `track_total` counts
    them all, and `tracks_before` is where the next page starts, or None.
    """

    artist: str
    name: str | None
    acting_as: ActingAs | None
    can_say_yes: bool
    revision: int
    evaluated_at: Instant
    etag: str
    no_ai: Said | None
    pending: tuple[Pending, ...]
    groups: tuple[Group, ...]
    not_reached: tuple[str, ...]
    partners: tuple[Partner, ...]
    elsewhere: tuple[Said, ...]
    tracks: tuple[TrackException, ...]
    track_total: int
    tracks_before: int | None
    history_before: int | None
    """Where `GET …/consents?before=` starts to go through the whole history, newest first; None
    where nothing was said."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One column whose answer a statement would change for all tracks."""

    use: str
    recipient: str
    permitted_before: bool
    permitted_after: bool
    reason_before: Reason
    reason_after: Reason


@dataclass(frozen=True, slots=True)
class TrackFlip:
    """One track exception whose column answers a statement would change: what a no also stops."""

    content: str
    title: str | None
    use: str
    recipient: str
    permitted_before: bool
    permitted_after: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What a statement would change for one artist now.

    `flips` are answers for all tracks; a statement about one track has none. `tracks` are answers
    for single tracks that have a record of their own on that column, and those of the one track
    that the statement is about: at most the first 200, newest record first. `tracks_stopped` and
    `tracks_restored` count, of all, the tracks with an answer that turns to no and to yes.
    `not_reached` are uses under its scope that a no cannot stop, their governing version being
    `open`. `pending_stopped` are the notices of pending versions that a no would then stand in the
    way of on every recipient they wait for, and does not yet.
    """

    flips: tuple[Flip, ...]
    tracks: tuple[TrackFlip, ...]
    tracks_stopped: int
    tracks_restored: int
    not_reached: tuple[str, ...]
    pending_stopped: tuple[str, ...]
