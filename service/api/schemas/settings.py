"""Shapes of the settings page and of rosters."""

from pydantic import Field

from service.api.schemas.consents import ShownIn
from service.api.schemas.types import (
    Channel,
    DurationOut,
    Id,
    InstantOut,
    InstantText,
    Locale,
    RecipientName,
    Revision,
    Shape,
    UseNode,
)
from service.consents.authority import ActingAs
from service.consents.roster import MOST_ARTISTS
from service.domain.assessment import Reason
from service.domain.consent import Answer
from service.domain.policy import Mode


class WordsOut(Shape):
    """A version's exact words in one locale and their SHA-256."""

    text: str
    sha256: str


class SaidOut(Shape):
    """The record that stands at exactly one scope."""

    revision: Revision
    answer: Answer
    use: str
    content: str | None
    recipient: str | None
    recorded_at: InstantOut
    expires_at: InstantOut | None
    acting_as: ActingAs


class TodayOut(Shape):
    """The answer for all tracks under one recipient, now, and why.

    It is a permit in `[permitted_from, valid_until)`, if nothing more is said; never where
    `permitted_from` is null. `policy_version` is null where no version binds yet.
    """

    recipient: str
    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None
    said: SaidOut | None


class UseSettingOut(Shape):
    """One leaf use: version, mode, recipients and texts are those of its latest version."""

    use: str
    names: dict[str, str]
    version: int
    mode: Mode
    recipients: list[str]
    texts: dict[str, WordsOut]
    today: list[TodayOut]
    said: SaidOut | None


class GroupOut(Shape):
    """The uses beneath one first step of the path."""

    node: str
    names: dict[str, str]
    said: SaidOut | None
    uses: list[UseSettingOut]


class PendingOut(Shape):
    """A version that only a window can make bind this artist, and has not yet.

    `delivered_at` and `closes_at` are null until the artist has been told: then nothing runs.
    `answered` says that a no stands in the way already on every one of `recipients`.
    """

    notice: str
    use: str
    version: int
    recipients: list[str]
    notice_period: DurationOut
    announced_at: InstantOut
    delivered_at: InstantOut | None
    closes_at: InstantOut | None
    texts: dict[str, WordsOut]
    answered: bool


class PartnerOut(Shape):
    """A partner, the uses that list it, and what was said about it for all uses and tracks."""

    recipient: str
    uses: list[str]
    said: SaidOut | None


class TrackExceptionOut(Shape):
    """A record about one track alone. `lifted` says that it does nothing now."""

    said: SaidOut
    title: str | None
    lifted: bool


class SettingsOut(Shape):
    """Everything that one artist's settings page shows.

    `no_ai` is the no at the root of all uses, if it stands; `not_reached` are the uses that no
    switch reaches. `elsewhere` are records for all tracks that have no place of their own above.
    `tracks` is one page of the records about single tracks, newest first, of `track_total`;
    `tracks_before` asks for the next page. `history_before` is where `GET …/consents?before=`
    starts, or null where nothing was said.
    """

    artist: str
    name: str | None
    acting_as: ActingAs | None
    can_say_yes: bool
    no_ai: SaidOut | None
    pending: list[PendingOut]
    groups: list[GroupOut]
    not_reached: list[str]
    partners: list[PartnerOut]
    elsewhere: list[SaidOut]
    tracks: list[TrackExceptionOut]
    track_total: int
    tracks_before: int | None
    history_before: int | None


class FlipOut(Shape):
    """A column whose answer for all tracks would change."""

    use: str
    recipient: str
    permitted_before: bool
    permitted_after: bool
    reason_before: Reason
    reason_after: Reason


class TrackFlipOut(Shape):
    """A column whose answer for one track would change, as far as it is this artist's."""

    content: str
    title: str | None
    use: str
    recipient: str
    permitted_before: bool
    permitted_after: bool


class EffectOut(Shape):
    """What a statement would change for one artist now.

    `tracks` lists the first 200 answers for tracks that have a record of their own, or for the one
    track the statement is about; `tracks_stopped` and `tracks_restored` count all tracks.
    `not_reached` are uses that a no cannot stop. `pending_stopped` are notices whose versions would
    then bind no more by silence.
    """

    flips: list[FlipOut]
    tracks: list[TrackFlipOut]
    tracks_stopped: int
    tracks_restored: int
    not_reached: list[str]
    pending_stopped: list[str]


class UndoIn(Shape):
    """How a record is undone. `shown` is for a platform whose undoing comes to a yes."""

    channel: Channel
    locale: Locale | None = None
    shown: list[ShownIn] = Field(default_factory=list, max_length=1_000)


class RosterRowOut(Shape):
    """One artist of a roster. `nearest` is when the first open window of a pending notice closes.

    `pending` leaves out what a no stands in the way of already.
    """

    artist: str
    name: str | None
    may_opt_in: bool
    pending: int
    nearest: InstantOut | None
    no_ai: bool


class RosterOut(Shape):
    """A page of a roster, in order of the artists' ids; `next_after` asks for the next one."""

    artists: list[RosterRowOut]
    next_after: str | None


class RosterConsentIn(Shape):
    """One statement about all tracks, for many artists."""

    answer: Answer
    use: UseNode
    recipient: RecipientName | None = None
    expires_at: InstantText | None = None
    channel: Channel
    locale: Locale | None = None
    artists: list[Id] = Field(min_length=1, max_length=MOST_ARTISTS)


class RosterConsentOut(Shape):
    """What was recorded: one event for each artist, in the order in which they were named."""

    recorded: int
    first_revision: Revision
    last_revision: Revision


class RosterEffectOut(Shape):
    """What a statement would change for one artist of many."""

    artist: str
    name: str | None
    flips: list[FlipOut]
    tracks_stopped: int
    tracks_restored: int
    not_reached: list[str]
    pending_stopped: list[str]


class RosterTotals(Shape):
    """Over all artists: how many it changes anything for, answers by what they turn to, tracks."""

    artists: int
    changed: int
    stopped: int
    permitted: int
    tracks_stopped: int
    tracks_restored: int
    pending_stopped: int


class RosterPreviewOut(Shape):
    """What a statement would change for many artists, in the order in which they were named."""

    artists: list[RosterEffectOut]
    totals: RosterTotals
