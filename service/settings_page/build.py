"""Building a sheet: first all that the rules say, at one revision; then the words people read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec
from sqlalchemy import select, tuple_
from sqlmodel import col

from service.consents.authority import ActingAs, stranger
from service.consents.precondition import ArtistState, SettingsState, short_digest, state_of
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, PolicyText, Use
from service.domain.history import History
from service.domain.instant import Instant
from service.settings_page.bare import bare_sheet
from service.settings_page.sheet import Group, Said, Sheet, UseSetting, Words
from service.settings_page.tracks import titles_of

_Version: TypeAlias = tuple[str, int]


async def sheet_of(
    session: ReadSession,
    history: History,
    artist: Artist,
    now: Instant,
    *,
    acting_as: ActingAs | None,
    can_say_yes: bool,
    tracks_before: int | None = None,
) -> Sheet:
    """Return one artist's sheet at the history's present revision.

    `session` has read nothing yet: its snapshot is then no older than the history, so that every
    version and record of it is found. However much there is to show, it takes five queries.
    """
    bare = bare_sheet(history, artist.subject, now, tracks_before=tracks_before)
    known = history_state(history, [artist.subject])
    # From here on the history may grow: nothing more is taken from it.
    state = settled(known, await state_of(session, [artist.subject]))
    dressed = _dress(bare, await _read(session, artist.subject, bare))
    sheet = replace(
        dressed,
        artist=artist.artist_id or "",
        name=artist.name,
        acting_as=acting_as,
        can_say_yes=can_say_yes,
    )
    return replace(sheet, etag=_etag(state, sheet))


def _etag(state: SettingsState, sheet: Sheet) -> str:
    """Return the tag: of what a yes rests on, then of all that is shown, at whatever time."""
    shown = replace(sheet, revision=0, evaluated_at=0)
    return etag_of(state, msgspec.json.encode(shown, order="deterministic"))


def etag_of(state: SettingsState, body: bytes) -> str:
    """Return the strong tag of a representation of these settings."""
    return f'"{state.tag}.{short_digest(body)}"'


def history_state(history: History, subjects: Iterable[str]) -> SettingsState:
    """Return what the history knows of these artists' state: all but names and delegates."""
    published = max((versions[-1].revision for versions in history.versions.values()), default=0)
    return SettingsState(published, 0, {one: _artist_state(history, one) for one in subjects})


def _artist_state(history: History, subject: str) -> ArtistState:
    artist = history.artists[subject]
    told = [at for delivered in artist.delivered.values() for at in delivered.values()]
    said = [record.revision for record in artist.records.values()]
    return ArtistState(max(said, default=0), max(told, default=0), 0)


def settled(known: SettingsState, read: SettingsState) -> SettingsState:
    """Return the state that is shown: the history's, with what only the tables hold.

    What the tables know beyond the history is not shown, so it must not be vouched for.
    """
    artists = {
        subject: replace(one, delegated=read.artists[subject].delegated)
        for subject, one in known.artists.items()
        if subject in read.artists
    }
    return SettingsState(known.published, read.named, artists)


@dataclass(frozen=True, slots=True)
class _Tables:
    """What only the tables know of what a sheet shows."""

    names: Mapping[str, dict[str, str]]
    words: Mapping[_Version, dict[str, Words]]
    titles: Mapping[str, str | None]
    roles: Mapping[int, str]

    def said(self, said: Said | None) -> Said | None:
        """Return the record with the role it was said in."""
        return None if said is None else self.is_said(said)

    def is_said(self, said: Said) -> Said:
        """Return likewise. Raises Refused where the artist has been erased meanwhile."""
        role = self.roles.get(said.revision)
        if role is None:
            raise stranger()
        return replace(said, acting_as=ActingAs(role))


async def _read(session: ReadSession, subject: str, bare: Sheet) -> _Tables:
    return _Tables(
        names={row.use: row.names for row in (await session.execute(select(Use))).scalars()},
        words=await _words(session, list(_versions(bare))),
        titles=await titles_of(session, subject, [one.said.content or "" for one in bare.tracks]),
        roles=await _roles(session, [one.revision for one in _all_said(bare)]),
    )


async def _words(
    session: ReadSession, versions: Sequence[_Version]
) -> dict[_Version, dict[str, Words]]:
    texts = (
        select(PolicyText)
        .where(tuple_(col(PolicyText.use), col(PolicyText.version)).in_(versions))
        .order_by(col(PolicyText.locale))
    )
    found: dict[_Version, dict[str, Words]] = {}
    for row in (await session.execute(texts)).scalars():
        found.setdefault((row.use, row.version), {})[row.locale] = Words(row.text, row.sha256)
    return found


async def _roles(session: ReadSession, revisions: Sequence[int]) -> dict[int, str]:
    roles = select(col(Consent.revision), col(Consent.acting_as)).where(
        col(Consent.revision).in_(revisions)
    )
    return {row.revision: row.acting_as for row in await session.execute(roles)}


def _versions(sheet: Sheet) -> Iterator[_Version]:
    yield from ((one.use, one.version) for one in sheet.pending)
    yield from ((use.use, use.version) for group in sheet.groups for use in group.uses)


def _all_said(sheet: Sheet) -> Iterator[Said]:
    found: list[Said | None] = [sheet.no_ai, *sheet.elsewhere]
    found += [one.said for one in sheet.partners]
    found += [one.said for one in sheet.tracks]
    for group in sheet.groups:
        found.append(group.said)
        for use in group.uses:
            found += [use.said, *(today.said for today in use.today)]
    return (said for said in found if said is not None)


def _dress(bare: Sheet, read: _Tables) -> Sheet:
    return replace(
        bare,
        no_ai=read.said(bare.no_ai),
        pending=tuple(replace(one, words=read.words[one.use, one.version]) for one in bare.pending),
        groups=tuple(_dress_group(group, read) for group in bare.groups),
        partners=tuple(replace(one, said=read.said(one.said)) for one in bare.partners),
        elsewhere=tuple(read.is_said(one) for one in bare.elsewhere),
        tracks=tuple(
            replace(
                one,
                said=read.is_said(one.said),
                title=read.titles.get(one.said.content or ""),
            )
            for one in bare.tracks
        ),
    )


def _dress_group(group: Group, read: _Tables) -> Group:
    return replace(
        group,
        names=read.names.get(group.node, {}),
        said=read.said(group.said),
        uses=tuple(_dress_use(use, read) for use in group.uses),
    )


def _dress_use(use: UseSetting, read: _Tables) -> UseSetting:
    return replace(
        use,
        names=read.names.get(use.use, {}),
        words=read.words[use.use, use.version],
        said=read.said(use.said),
        today=tuple(replace(one, said=read.said(one.said)) for one in use.today),
    )
