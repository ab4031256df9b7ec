"""The contexts of the settings pages' templates, and the values they are made of.

Every place where something can be said is a `Choice`: what it is about, what stands there, and
which answers can be given.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from service.consents.authority import ActingAs
from service.domain.assessment import Reason
from service.domain.consent import Answer
from service.domain.instant import Duration, Instant
from service.domain.policy import Mode
from service.settings_page.sheet import Said
from service.web.typeset import Block


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page's forms go, and what each of them carries.

    `root` is where this artist's pages are, `home` the address of their settings, `etag` what a yes
    is given on. `may_yes` is false for a delegate who may only say no; `own` is whether whoever
    looks is the artist.
    """

    root: str
    home: str
    etag: str
    may_yes: bool
    own: bool


_SHOWN: Final = re.compile(r"([0-9]{1,9}) ([A-Za-z0-9-]{1,35}) ([0-9a-f]{64})")


class Wider(StrEnum):
    """Which record beyond a choice's own scope denies: so it can be said where to change it."""

    ALL_AI = "all_ai"
    GROUP = "group"
    PARTNER = "partner"
    USE = "use"


@dataclass(frozen=True, slots=True)
class Shown:
    """The words that a yes is given to, as the form says it: version, locale, hash."""

    version: int
    locale: str
    sha256: str

    def __str__(self) -> str:
        """Return it as a form carries it."""
        return f"{self.version} {self.locale} {self.sha256}"

    @classmethod
    def read(cls, text: str) -> "Shown | None":
        """Return what a form carries; None where that is nothing of the kind."""
        said = _SHOWN.fullmatch(text)
        return None if said is None else cls(int(said[1]), said[2], said[3])


@dataclass(frozen=True, slots=True)
class Choice:
    """One place to say yes or no. `key` names it on the page.

    `name` is what the use is called, `who` whom it is limited to, `title` which track; None where
    it is not limited. `expired` and `lapsed` tell of a yes that no longer counts. `tracks_stopped`
    is how many tracks a no here would stop as well.
    """

    key: str
    use: str
    name: str
    who: str | None
    recipient: str | None
    content: str | None
    title: str | None
    said: Said | None
    expired: bool
    lapsed: bool
    can_no: bool
    can_yes: bool
    can_take_back: bool
    shown: Shown | None
    tracks_stopped: int


@dataclass(frozen=True, slots=True)
class Line:
    """What holds for some recipients of a use. `wider`: what else than the use's record denies."""

    who: tuple[str, ...]
    permitted: bool
    reason: Reason
    wider: Wider | None
    until: Instant | None
    since: Instant | None


@dataclass(frozen=True, slots=True)
class Terms:
    """A version's words in the reader's language; no blocks where they are too long to be set."""

    address: str
    version: int
    locale: str
    sha256: str
    blocks: tuple[Block, ...]

    @property
    def shown(self) -> Shown:
        """These words, as a yes to them says that they were shown."""
        return Shown(self.version, self.locale, self.sha256)


@dataclass(frozen=True, slots=True)
class UseCard:
    """One use: what holds, and where to say yes or no to all of it or to each recipient."""

    key: str
    use: str
    name: str
    mode: Mode
    lines: tuple[Line, ...]
    choice: Choice
    each: tuple[Choice, ...]
    terms: Terms


@dataclass(frozen=True, slots=True)
class GroupView:
    """The uses of one group, and where to say no to all of them."""

    key: str
    name: str
    choice: Choice | None
    cards: tuple[UseCard, ...]


class Already(StrEnum):
    """What has been said about a planned version, as far as silence is concerned.

    `NO`: a no stands on everybody it waits for. `YES_ENDS`: a yes does, which counts as a no by the
    time that the window closes. `YES_TO_THESE`: a yes to these very terms, for everybody; it counts
    now. `YES`: some yes, to other terms or not for everybody, so that silence still matters.
    """

    NOTHING = "nothing"
    NO = "no"
    YES_ENDS = "yes_ends"
    YES_TO_THESE = "yes_to_these"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class PlannedCard:
    """A version that waits for this artist.

    `days_left` counts calendar days in UTC; on the last one `hours_left` counts hours. Both are
    None where no window runs. `stops_today` says that a no would also stop what holds already.
    """

    key: str
    notice: str
    name: str
    version: int
    who: tuple[str, ...]
    notice_period: Duration
    announced_at: Instant
    delivered_at: Instant | None
    closes_at: Instant | None
    days_left: int | None
    hours_left: int | None
    already: Already
    stops_today: bool
    choices: tuple[Choice, ...]
    terms: Terms


@dataclass(frozen=True, slots=True)
class PartnerView:
    """One partner company, the uses that list it, and where to say no to all of them."""

    choice: Choice
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrackRow:
    """Something said about one track alone. `idle` says that it does nothing now."""

    address: str
    title: str
    choice: Choice
    idle: bool


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A track that was searched for."""

    address: str
    title: str
    status: str


@dataclass(frozen=True, slots=True)
class Message:
    """What has just been done, or why it could not be.

    `kind` is "opt_out", "opt_in" or "inherit" for a statement, else "read", "outdated",
    "not_allowed", "cannot_undo" or "not_possible". For a statement, `choice` is where it was said
    and `undo` its revision, if it can be undone. `stopped` and `restored` count tracks, `uses` the
    uses whose answers changed, `not_reached` names those that stay as they are. For a notice,
    `until` is when its window closes. `at` is the key of the choice to show it beside; empty where
    that is not on the page.
    """

    kind: str
    at: str = ""
    choice: Choice | None = None
    undo: int | None = None
    stopped: int = 0
    restored: int = 0
    uses: int = 0
    not_reached: tuple[str, ...] = ()
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """One artist's settings: what is planned, what holds, and where to say yes or no.

    `name` is the artist's. `others` says that whoever looks acts for other artists as well.
    `query` is what was searched for, None where nothing was; `track_total` counts all records about
    single tracks, and `more_tracks` is where the next page of them starts.
    """

    template: ClassVar[str] = "settings.html.j2"

    place: Place
    name: str
    others: bool
    message: Message | None
    planned: tuple[PlannedCard, ...]
    no_ai: Choice
    not_reached: tuple[str, ...]
    groups: tuple[GroupView, ...]
    partners: tuple[PartnerView, ...]
    elsewhere: tuple[Choice, ...]
    tracks: tuple[TrackRow, ...]
    track_total: int
    more_tracks: int | None
    query: str | None
    found: tuple[FoundRow, ...]


@dataclass(frozen=True, slots=True)
class TrackLine:
    """One use on a track's page."""

    name: str
    group: str
    lines: tuple[Line, ...]
    choice: Choice
    terms: Terms


@dataclass(frozen=True, slots=True)
class TrackPage:
    """One track: what holds for it under each use, and where to say yes or no for it alone."""

    template: ClassVar[str] = "settings_track.html.j2"

    place: Place
    name: str
    title: str
    message: Message | None
    uses: tuple[TrackLine, ...]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that was said. `actor` is who said it, as the issuer names them."""

    answer: Answer
    name: str
    who: str | None
    title: str | None
    recorded_at: Instant
    expires_at: Instant | None
    acting_as: ActingAs
    actor: str
    channel: str
    revision: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Everything that was said for one artist, newest first, a page at a time."""

    template: ClassVar[str] = "settings_history.html.j2"

    place: Place
    name: str
    rows: tuple[HistoryRow, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class NobodyPage:
    """Says that whoever is signed in is no artist here and acts for none."""

    template: ClassVar[str] = "settings_nobody.html.j2"

    person: str


@dataclass(frozen=True, slots=True)
class RosterLine:
    """One artist on a roster. `days_left` is that of the nearest deadline, None without one."""

    artist: str
    name: str
    address: str
    may_yes: bool
    planned: int
    days_left: int | None
    closes_at: Instant | None
    no_ai: bool


@dataclass(frozen=True, slots=True)
class Option:
    """Something to say an answer to for many artists: a node of the tree, by its name.

    `leaf` is whether it is a single use; only to such a one can a yes be said.
    """

    use: str
    name: str
    leaf: bool


@dataclass(frozen=True, slots=True)
class RosterPage:
    """The artists somebody acts for, with what is planned for each, and a form to choose some.

    `note` is "not_allowed", "not_possible", "outdated" or "nobody_chosen" where a form could not be
    taken, None else; `recorded` counts the artists for whom one was.
    """

    template: ClassVar[str] = "roster.html.j2"

    rows: tuple[RosterLine, ...]
    options: tuple[Option, ...]
    query: str
    next_after: str | None
    note: str | None
    recorded: int


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """What one statement would change for one artist: uses and tracks that stop or start."""

    name: str
    stopped: int
    permitted: int
    tracks_stopped: int
    tracks_restored: int
    planned_stopped: int


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """What one statement would change for many artists, before it is said for all of them.

    `artists` are their ids, `changed` how many of them it changes anything for. `shown` are the
    words a yes is given to, None for a no.
    """

    template: ClassVar[str] = "roster_preview.html.j2"

    answer: Answer
    use: str
    name: str
    artists: tuple[str, ...]
    lines: tuple[PreviewLine, ...]
    changed: int
    not_reached: tuple[str, ...]
    etag: str
    terms: Terms | None
