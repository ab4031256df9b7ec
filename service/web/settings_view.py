"""Putting a sheet into the reader's language and order, for the settings pages. Decides nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import quote

from service.consents.authority import ActingAs
from service.domain import uses
from service.domain.assessment import Reason
from service.domain.consent import Answer, Scope
from service.domain.instant import DAY, SECOND, Instant, parse_instant
from service.domain.policy import ASKING, Mode
from service.ledger.events import Json
from service.settings_page.reach import Track, TrackAnswer
from service.settings_page.sheet import (
    Group,
    Pending,
    Said,
    Sheet,
    Today,
    TrackException,
    UseSetting,
    Words,
)
from service.settings_page.tracks import FoundTrack
from service.web.i18n import Language
from service.web.settings_contexts import (
    Already,
    Choice,
    FoundRow,
    GroupView,
    HistoryRow,
    Line,
    Message,
    PartnerView,
    PlannedCard,
    Shown,
    Terms,
    TrackLine,
    TrackRow,
    UseCard,
    Wider,
)
from service.web.templates import recipient_name
from service.web.typeset import typeset

LONGEST_SHOWN: Final = 20_000
"""Characters of terms that are set into the page; longer ones are linked to."""

_HOUR: Final = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Told:
    """What a statement came to, as it is told afterwards: tracks, uses, whether it undid, where."""

    at: str
    stopped: int
    restored: int
    uses: int
    undone: bool


class View:
    """One sheet in one language."""

    def __init__(
        self,
        sheet: Sheet,
        language: Language,
        platform: str,
        root: str,
        stops: Mapping[Scope, int],
    ) -> None:
        """Take the sheet, and where the artist's pages are.

        `stops` says for a scope how many tracks a no there would stop as well.
        """
        self._sheet = sheet
        self._language = language
        self._platform = platform
        self._root = root
        self._stops = stops
        self._names = {
            **{group.node: group.names for group in sheet.groups},
            **{use.use: use.names for group in sheet.groups for use in group.uses},
        }
        self._settings = {use.use: use for group in sheet.groups for use in group.uses}

    def name(self, node: str) -> str:
        """Return what a use or a group is called."""
        return self._language.name_of(self._names.get(node, {}), node)

    def who(self, recipient: str) -> str:
        """Return what a recipient is called."""
        return recipient_name(recipient, self._platform)

    def track(self, content: str) -> str:
        """Return the address of a track's page."""
        return f"{self._root}/tracks/{quote(content, safe='')}"

    def planned(self) -> tuple[PlannedCard, ...]:
        """Return what waits for this artist: the nearest deadline first."""
        return tuple(self._planned(one) for one in self._sheet.pending)

    def groups(self) -> tuple[GroupView, ...]:
        """Return what holds, by group."""
        return tuple(self._group(group) for group in self._sheet.groups)

    def no_ai(self) -> Choice:
        """Return the one switch."""
        return self.choice(Scope(uses.ROOT), self._sheet.no_ai)

    def partners(self) -> tuple[PartnerView, ...]:
        """Return every partner company."""
        return tuple(
            PartnerView(
                self.choice(Scope(uses.ROOT, recipient=one.recipient), one.said),
                tuple(self.name(use) for use in one.uses),
            )
            for one in self._sheet.partners
        )

    def elsewhere(self) -> tuple[Choice, ...]:
        """Return what was said at a scope that has no other place on the page."""
        return tuple(self._of_record(said, None) for said in self._sheet.elsewhere)

    def tracks(self) -> tuple[TrackRow, ...]:
        """Return what was said about single tracks."""
        return tuple(self._exception(one) for one in self._sheet.tracks)

    def found(self, tracks: Sequence[FoundTrack]) -> tuple[FoundRow, ...]:
        """Return tracks that were searched for."""
        return tuple(
            FoundRow(self.track(one.content), one.title or one.content, one.status)
            for one in tracks
        )

    def not_reached(self, scope: Scope) -> tuple[str, ...]:
        """Return the names of the uses under a scope that no switch reaches."""
        return tuple(
            self.name(use) for use in self._sheet.not_reached if uses.covers(scope.use, use)
        )

    def one_track(self, track: Track) -> tuple[TrackLine, ...]:
        """Return every use as it is for one track, as far as this artist decides."""
        return tuple(
            self._track_line(group, use, track)
            for group in self._sheet.groups
            for use in group.uses
        )

    def history_row(self, record: Json, titles: Mapping[str, str | None]) -> HistoryRow:
        """Return one record of the history as it is shown."""
        content, recipient, evidence = record["content"], record["recipient"], record["evidence"]
        expires_at = record["expires_at"]
        return HistoryRow(
            answer=Answer(record["answer"]),
            name="" if record["use"] == uses.ROOT else self.name(record["use"]),
            who=None if recipient is None else self.who(recipient),
            title=None if content is None else titles.get(content) or content,
            recorded_at=parse_instant(record["recorded_at"]),
            expires_at=None if expires_at is None else parse_instant(expires_at),
            acting_as=ActingAs(evidence["acting_as"]),
            actor=evidence["actor"],
            channel=evidence["channel"],
            revision=record["revision"],
        )

    def message(self, record: Json, titles: Mapping[str, str | None], told: Told) -> Message:
        """Return what to say about a statement that was just recorded."""
        scope = Scope(record["use"], record["content"], record["recipient"])
        title = None if scope.content is None else titles.get(scope.content) or scope.content
        no = record["answer"] == Answer.OPT_OUT
        return Message(
            kind=record["answer"],
            at=told.at,
            choice=self.choice(scope, None, title=title, place="done"),
            # Somebody who may only say no may undo nothing: before it stood less of one.
            undo=record["revision"] if self._sheet.can_say_yes and not told.undone else None,
            stopped=told.stopped,
            restored=told.restored,
            uses=told.uses,
            not_reached=self.not_reached(scope) if no else (),
        )

    def choice(
        self,
        scope: Scope,
        said: Said | None,
        *,
        lapsed: bool = False,
        title: str | None = None,
        place: str = "",
    ) -> Choice:
        """Return the choice at a scope. `place` tells apart two of the same on one page."""
        setting = self._settings.get(scope.use)
        may_yes = self._sheet.can_say_yes
        return Choice(
            key=_key(place, scope),
            use=scope.use,
            name="" if scope.use == uses.ROOT else self.name(scope.use),
            who=None if scope.recipient is None else self.who(scope.recipient),
            recipient=scope.recipient,
            content=scope.content,
            title=title,
            said=said,
            expired=self._has_expired(said),
            lapsed=lapsed,
            can_no=setting is None or _can_refuse(setting),
            can_yes=may_yes and setting is not None and _asks(setting, scope.recipient),
            can_take_back=said is not None and (may_yes or not _denies(said)),
            shown=None if setting is None else self._shown(setting),
            tracks_stopped=self._stops.get(scope, 0),
        )

    def _has_expired(self, said: Said | None) -> bool:
        expires_at = None if said is None else said.expires_at
        return expires_at is not None and expires_at <= self._sheet.evaluated_at

    def _says_no(self, said: Said) -> bool:
        """Tell whether the record is a no by now."""
        return said.answer is Answer.OPT_OUT or self._has_expired(said)

    def _shown(self, setting: UseSetting) -> Shown:
        locale = self._language.locale_of(setting.words)
        return Shown(setting.version, locale, setting.words[locale].sha256)

    def _terms(self, use: str, version: int, words: Mapping[str, Words]) -> Terms:
        locale = self._language.locale_of(words)
        text = words[locale].text
        blocks = typeset(text) if len(text) <= LONGEST_SHOWN else ()
        return Terms(f"/policies/{quote(use)}", version, locale, words[locale].sha256, blocks)

    def _planned(self, one: Pending) -> PlannedCard:
        setting = self._settings[one.use]
        everybody = set(one.recipients) >= {today.recipient for today in setting.today}
        scopes = [Scope(one.use)]
        if not everybody:
            scopes = [Scope(one.use, recipient=recipient) for recipient in one.recipients]
        place = f"planned-{one.version}"
        choices = (
            self.choice(scope, _said_at(setting, scope.recipient), place=place) for scope in scopes
        )
        if one.version != setting.version:
            # A yes is to the latest version (R4): it is said where the words of that one are shown.
            choices = (replace(choice, can_yes=False) for choice in choices)
        days, hours = left(one.closes_at, self._sheet.evaluated_at)
        return PlannedCard(
            key=_key(place, Scope(one.use)),
            notice=one.notice,
            name=self.name(one.use),
            version=one.version,
            who=tuple(map(self.who, one.recipients)),
            notice_period=one.notice_period,
            announced_at=one.announced_at,
            delivered_at=one.delivered_at,
            closes_at=one.closes_at,
            days_left=days,
            hours_left=hours,
            already=_already(setting, one),
            stops_today=any(
                today.permitted and today.recipient in one.recipients for today in setting.today
            ),
            choices=tuple(choices),
            terms=self._terms(one.use, one.version, one.words),
        )

    def _group(self, group: Group) -> GroupView:
        alone = group.uses[0].use == group.node
        scope = Scope(group.node)
        return GroupView(
            key=_key("group", scope),
            name=self.name(group.node),
            choice=None if alone else self.choice(scope, group.said),
            cards=tuple(self._card(group, use) for use in group.uses),
        )

    def _card(self, group: Group, setting: UseSetting) -> UseCard:
        lapsed = {t.recipient for t in setting.today if t.reason is Reason.RECONSENT_REQUIRED}
        each = [
            self.choice(
                Scope(setting.use, recipient=today.recipient),
                today.said,
                lapsed=today.recipient in lapsed,
            )
            for today in setting.today
        ]
        return UseCard(
            key=_key("use", Scope(setting.use)),
            use=setting.use,
            name=self.name(setting.use),
            mode=setting.mode,
            lines=_joined(self._line(group, setting, today) for today in setting.today),
            choice=self.choice(Scope(setting.use), setting.said, lapsed=bool(lapsed)),
            each=tuple(each) if len(each) > 1 or any(c.said for c in each) else (),
            terms=self._terms(setting.use, setting.version, setting.words),
        )

    def _line(self, group: Group, setting: UseSetting, today: Today) -> Line:
        denied = today.reason in {Reason.OPTED_OUT, Reason.OPT_IN_EXPIRED}
        own = [said for said in (setting.said, today.said) if said and self._says_no(said)]
        return Line(
            who=(self.who(today.recipient),),
            permitted=today.permitted,
            reason=today.reason,
            wider=self._wider(group, today.recipient) if denied and not own else None,
            until=today.interval.end if today.permitted else None,
            since=None if today.permitted else today.interval.start,
        )

    def _wider(self, group: Group, recipient: str) -> Wider | None:
        """Return which of the page's wider switches is at no, the nearest first."""
        if group.said and self._says_no(group.said):
            return Wider.GROUP
        partners = (one.said for one in self._sheet.partners if one.recipient == recipient)
        if any(said and self._says_no(said) for said in partners):
            return Wider.PARTNER
        return Wider.ALL_AI if self._sheet.no_ai else None

    def _exception(self, one: TrackException) -> TrackRow:
        title = one.title or one.said.content or ""
        choice = self._of_record(one.said, title)
        return TrackRow(self.track(one.said.content or ""), title, choice, one.lifted)

    def _of_record(self, said: Said, title: str | None) -> Choice:
        return self.choice(_scope(said), said, title=title, place=f"record-{said.revision}")

    def _track_line(self, group: Group, setting: UseSetting, track: Track) -> TrackLine:
        scope = Scope(setting.use, track.content)
        own = next((said for said in track.said if scope == _scope(said)), None)
        answers = [answer for answer in track.answers if answer.use == setting.use]
        lapsed = any(answer.reason is Reason.RECONSENT_REQUIRED for answer in answers)
        line = partial(self._track_answer, own)
        return TrackLine(
            name=self.name(setting.use),
            group=self.name(group.node),
            lines=_joined(map(line, answers)),
            choice=self.choice(
                scope, own, lapsed=lapsed, title=track.title or track.content, place="track"
            ),
            terms=self._terms(setting.use, setting.version, setting.words),
        )

    def _track_answer(self, own: Said | None, answer: TrackAnswer) -> Line:
        denied = answer.reason is Reason.OPTED_OUT and not (own and self._says_no(own))
        return Line(
            who=(self.who(answer.recipient),),
            permitted=answer.permitted,
            reason=answer.reason,
            wider=Wider.USE if denied else None,
            until=None,
            since=None,
        )


def _scope(said: Said) -> Scope:
    return Scope(said.use, said.content, said.recipient)


def scopes_of(sheet: Sheet) -> Iterator[Scope]:
    """Return every scope at which the page offers a no for all tracks."""
    yield Scope(uses.ROOT)
    for partner in sheet.partners:
        yield Scope(uses.ROOT, recipient=partner.recipient)
    for group in sheet.groups:
        yield Scope(group.node)
        for use in group.uses:
            yield Scope(use.use)
            if len(use.today) > 1:
                yield from (Scope(use.use, recipient=today.recipient) for today in use.today)


def _joined(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return the lines, one for all recipients of whom the same is to be said."""
    alike: dict[Line, list[str]] = {}
    for line in lines:
        alike.setdefault(replace(line, who=()), []).extend(line.who)
    return tuple(replace(line, who=tuple(who)) for line, who in alike.items())


def _already(setting: UseSetting, one: Pending) -> Already:
    """Return what the artist has said about a planned version (R4)."""
    waits = [today for today in setting.today if today.recipient in one.recipients]
    yeses = [today for today in waits if today.reason is Reason.OPTED_IN]
    if one.answered:
        return Already.YES_ENDS if yeses else Already.NO
    if not yeses:
        return Already.NOTHING
    to_these = sum((today.version or 0) >= one.version for today in yeses)
    return Already.YES_TO_THESE if to_these == len(waits) else Already.YES


def _asks(setting: UseSetting, recipient: str | None) -> bool:
    """Tell whether a yes can be said: the use asks, and lists somebody to say it to (R4)."""
    listed = setting.recipients if recipient is None else {recipient} & set(setting.recipients)
    return setting.mode in ASKING and bool(listed)


def _can_refuse(setting: UseSetting) -> bool:
    """Tell whether a no would reach anything: under `open` nobody is asked (R2)."""
    return setting.mode is not Mode.OPEN


def _denies(said: Said) -> bool:
    """Tell whether the record is a no, or a yes that turns into one (R4)."""
    return said.answer is Answer.OPT_OUT or said.expires_at is not None


def _said_at(setting: UseSetting, recipient: str | None) -> Said | None:
    if recipient is None:
        return setting.said
    return next((one.said for one in setting.today if one.recipient == recipient), None)


def left(closes_at: Instant | None, now: Instant) -> tuple[int | None, int | None]:
    """Return calendar days in UTC until an instant, and in the last 24 hours the hours."""
    if closes_at is None:
        return None, None
    if closes_at - now < DAY:  # also where midnight is between
        return 0, max(0, closes_at - now) // _HOUR
    return closes_at // DAY - now // DAY, None


def _key(place: str, scope: Scope) -> str:
    """Return an id for the page that nothing else on it has, of letters that an id may have."""
    parts = [place, scope.use, scope.recipient or "", scope.content or ""]
    return "-".join(_escaped(part) for part in parts if part)


def _escaped(part: str) -> str:
    """Return the part with `_` and a number for what is no plain letter or digit: no two alike."""
    return "".join(
        letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}_" for letter in part
    )
