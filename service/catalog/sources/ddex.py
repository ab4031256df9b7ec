"""DDEX Electronic Release Notification, version 4.3: the NewReleaseMessage.

**What is content**: each SoundRecording and each Video of the ResourceList, once per ISRC of its
editions. The id is `isrc:` and the ISRC; without one, it is made of the ProprietaryId and its
namespace; without that, of the sender, the message and the resource's reference. Images, texts and
the cues inside a video are none: a cue says which music is in the video, not that it is delivered.

**Who has a say**, in this order, each once:

1. the resource's DisplayArtists by their sequence, in every role but `Brand`, which is a name on
   the cover and nobody who performs; where it has none, its DisplayArtistName taken apart as a
   credit line; where it has neither, the display artists of the release that holds it (DDEX allows
   to give them there only);
2. its Contributors by their sequence: every role, also none at all, also one never heard of, but
   for those in `TECHNICAL_ROLES`, who performed, wrote and produced nothing;
3. the contributors of the cue sheets that a video refers to.

Record companies, labels and rights controllers are not asked: they hold or administer rights, but
the statement is the artist's. A resource without any display artist has no rightsholders, for
contributors alone must not speak for an artist whom nobody named.

**Who they are**: the first that the party carries of ISNI, IPN, IPI name number, and ProprietaryId
with its namespace; only without any of them its name, as in every other catalogue.

A resource that refers to a party missing from the PartyList is a bad row: somebody's say is not
known. Reading goes on after it; it ends where the XML itself does.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from service.catalog.sources.credits import split_credit
from service.catalog.sources.isrc import compact_isrc
from service.catalog.sources.names import clean, named, readable_id
from service.catalog.sources.once import FirstPlaces, each_once
from service.catalog.sources.track import ArtistName, BadRow, Track
from service.catalog.sources.xml_items import (
    SIZE_LIMIT,
    Entry,
    Node,
    XmlRefusedError,
    root_of,
    xml_entries,
)

RESOURCES = ("SoundRecording", "Video")
"""The resources that are content."""

TECHNICAL_ROLES = frozenset(
    {
        "DigitalAudioWorkstationEngineer",
        "DigitalEditingEngineer",
        "DigitalEditingSecondEngineer",
        "DirectStreamDigitalEngineer",
        "DistributionCompany",
        "Encoder",
        "FilmDistributor",
        "Hairdresser",
        "KeyGrip",
        "LightingTechnician",
        "LocationManager",
        "MakeUpArtist",
        "Manufacturer",
        "MasteringEngineer",
        "MasteringSecondEngineer",
        "MixingSecondEngineer",
        "OverdubSecondEngineer",
        "ProductionAssistant",
        "ProductionCoordinator",
        "ProductionSecretary",
        "RecordingSecondEngineer",
    }
)
"""Contributor roles (DDEX allowed value set ContributorRole) that give no say by themselves."""

_BRAND = "Brand"
_LISTS = ("MessageHeader", "PartyList", "CueSheetList", "ResourceList", "ReleaseList")
_NAMESPACE = re.compile(r"http://ddex\.net/xml/ern/(\d+)")
_READ = re.compile(r"43\d?")
_PARTY_IDS = ("ISNI", "IPN", "IpiNameNumber", "ProprietaryId")
_LAST = 10**9
_NUMBER = re.compile(r"[0-9]{1,9}")
_MARK = b"ddex.net/xml/ern/"
_HEAD = 4096


def is_ddex(path: Path) -> bool:
    """Whether the file is an ERN message of any version, to be read or to be refused by name."""
    with path.open("rb") as file:
        return _MARK in file.read(_HEAD)


def read_ddex(
    path: Path,
    *,
    source: str | None = None,
    seen: FirstPlaces | None = None,
    limit: int = SIZE_LIMIT,
) -> Iterator[Track | BadRow]:
    """Every sound recording and video of one message as a Track or a BadRow.

    Args:
        path: the XML file.
        source: its name in what is yielded; the file's own name unless given.
        seen: contents that came before, from other messages; they are refused here.
        limit: the biggest file to read, in bytes.

    Raises:
        OSError: the file cannot be read.

    """
    return each_once(_rows(path, source or path.name, limit), seen)


def _rows(path: Path, source: str, limit: int) -> Iterator[Track | BadRow]:
    message = _Message(source)
    try:
        root = root_of(path)
        unread = _why_unread(root)
        if unread:
            yield BadRow(source, root.line, unread)
            return
        for entry in xml_entries(path, _LISTS, limit=limit):
            yield from message.rows(entry)
    except XmlRefusedError as refused:
        yield BadRow(source, refused.line, refused.reason)
        yield from message.cut_short()
    else:
        yield from message.rest()


def _ern_version(root: Node) -> str | None:
    """The version in the namespace of an ERN message, `43` for 4.3; None for anything else."""
    for name, value in root.attributes.items():
        namespace = _NAMESPACE.match(value) if name.startswith("xmlns") else None
        if namespace:
            return namespace[1]
    return None


def _why_unread(root: Node) -> str | None:
    version = _ern_version(root)
    if version is None or root.tag != "NewReleaseMessage":
        return f"it is no DDEX NewReleaseMessage but {root.tag}: leave the file out"
    if not _READ.fullmatch(version):
        return f"it is ERN version {version}; 4.3 is read (namespace ern/43): ask for that"
    return None


@dataclass(slots=True)
class _Message:
    """What one message has said so far that its resources refer to."""

    source: str
    sender: str = ""
    message_id: str = ""
    parties: dict[str, ArtistName] = field(default_factory=dict)
    cue_sheets: dict[str, list[str]] = field(default_factory=dict)
    releases: dict[str, list[ArtistName]] = field(default_factory=dict)
    held: list[Node] = field(default_factory=list)

    def rows(self, entry: Entry) -> Iterator[Track | BadRow]:
        """Take one entry in; whatever can be told now."""
        node = entry.node
        match entry.parent, node.tag:
            case "MessageHeader", "MessageId":
                self.message_id = node.text()
            case "MessageHeader", "MessageSender":
                self.sender = node.text_at("PartyId")
            case "PartyList", "Party":
                self._meet(node)
            case "CueSheetList", "CueSheet":
                self._note_cues(node)
            case "ResourceList", tag if tag in RESOURCES:
                yield from self._resource(node)
            case "ReleaseList", "Release" | "TrackRelease":
                self._note_release(node)

    def rest(self) -> Iterator[Track | BadRow]:
        """The resources that had to wait for their release."""
        for node in self.held:
            display = self.releases.get(node.text_at("ResourceReference"), [])
            yield from self._tracks(node, display)

    def cut_short(self) -> Iterator[BadRow]:
        """The resources whose release will not come any more."""
        for node in self.held:
            reason = "its artists stand in a release, and the file broke off before: send it again"
            yield BadRow(self.source, node.line, reason)

    def _meet(self, party: Node) -> None:
        reference = party.text_at("PartyReference")
        artist = _party(party)
        if reference and artist:
            self.parties[reference] = artist

    def _note_cues(self, sheet: Node) -> None:
        self.cue_sheets[sheet.text_at("CueSheetReference")] = [
            reference
            for cue in sheet.all("Cue")
            for reference in _references(cue.all("Contributor"), "ContributorPartyReference")
        ]

    def _note_release(self, release: Node) -> None:
        """Remember a release's artists for the resources in it, if any of them waits."""
        waiting = {node.text_at("ResourceReference") for node in self.held}
        if not waiting:
            return
        try:
            display = self._display_artists(release)
        except (_UnknownReferenceError, ValueError):
            return
        for reference in _resources_in(release):
            if reference in waiting and display:
                self.releases.setdefault(reference, display)

    def _resource(self, node: Node) -> Iterator[Track | BadRow]:
        try:
            display = self._display_artists(node)
        except (_UnknownReferenceError, ValueError) as wrong:
            yield BadRow(self.source, node.line, str(wrong))
            return
        if display:
            yield from self._tracks(node, display)
        else:
            self.held.append(node)

    def _tracks(self, node: Node, display: list[ArtistName]) -> Iterator[Track | BadRow]:
        try:
            artists = _distinct([*display, *self._contributors(node)]) if display else ()
        except _UnknownReferenceError as unknown:
            yield BadRow(self.source, node.line, str(unknown))
            return
        for isrc, content_id, problem in self._contents(node):
            if problem:
                yield BadRow(self.source, node.line, problem)
            else:
                yield Track(content_id, _title(node), artists, isrc, self.source, node.line)

    def _display_artists(self, node: Node) -> list[ArtistName]:
        listed = [
            artist
            for artist in node.all("DisplayArtist")
            if artist.text_at("DisplayArtistRole") != _BRAND
        ]
        if listed:
            return self._named(_references(listed, "ArtistPartyReference"))
        names = node.all("DisplayArtistName")
        shown = [name for name in names if name.attributes.get("IsDefault") == "true"] or names
        return [named(name) for name in split_credit(shown[0].text())] if shown else []

    def _contributors(self, node: Node) -> list[ArtistName]:
        heard = [contributor for contributor in node.all("Contributor") if _has_a_say(contributor)]
        references = _references(heard, "ContributorPartyReference")
        for sheet in node.all("VideoCueSheetReference"):
            if sheet.text() not in self.cue_sheets:
                raise _UnknownReferenceError(
                    f"it refers to the cue sheet {sheet.text()}, which the message does not hold: "
                    "somebody's say is not known; ask the sender"
                )
            references += self.cue_sheets[sheet.text()]
        return self._named(references)

    def _named(self, references: Iterable[str]) -> list[ArtistName]:
        found = []
        for reference in references:
            if reference not in self.parties:
                raise _UnknownReferenceError(
                    f"it refers to the party {reference or '(none)'}, which the PartyList does not "
                    "name: somebody's say is not known; ask the sender"
                )
            found.append(self.parties[reference])
        return found

    def _contents(self, node: Node) -> Iterator[tuple[str | None, str, str | None]]:
        """For each content of the resource: its ISRC, its id, and what is wrong with them."""
        ids = [*node.all("ResourceId"), *_edition_ids(node)]
        written = dict.fromkeys(code.text() for each in ids for code in each.all("ISRC"))
        for code in filter(None, written):
            try:
                isrc = compact_isrc(code)
            except ValueError as wrong:
                yield None, "", str(wrong)
            else:
                yield isrc, f"isrc:{isrc}", None
        if not any(written):
            yield None, self._own_id(node, ids), None

    def _own_id(self, node: Node, ids: list[Node]) -> str:
        for proprietary in (each for found in ids for each in found.all("ProprietaryId")):
            value, namespace = proprietary.text(), proprietary.attributes.get("Namespace", "")
            if value:
                return readable_id(value, json.dumps(["ProprietaryId", namespace, value]))
        reference = node.text_at("ResourceReference")
        key = json.dumps(["Resource", self.sender, self.message_id, reference])
        return readable_id(f"{self.message_id}-{reference}", key)


class _UnknownReferenceError(Exception):
    """A resource refers to somebody, or to a list of them, that the message does not hold."""


def _party(party: Node) -> ArtistName | None:
    """Who the party is; None where it has neither an identifier nor a name."""
    name = clean(_party_name(party))
    for scheme in _PARTY_IDS:
        for found in party.all(f"PartyId/{scheme}"):
            value, namespace = found.text(), found.attributes.get("Namespace", "")
            if value:
                if scheme != "ProprietaryId":
                    value = re.sub(r"[\s.-]", "", value).upper()
                label = f"{namespace or scheme} {value}"
                artist_id = readable_id(label, json.dumps([scheme, namespace, value]))
                return ArtistName(artist_id, name or value)
    return named(name) if name else None


def _party_name(party: Node) -> str:
    """The first full name; else the parts of the first name, in the order they are spoken."""
    full = party.text_at("PartyName/FullName")
    if full:
        return full
    spoken = ("NamesBeforeKeyName", "KeyName", "NamesAfterKeyName")
    first = party.first("PartyName")
    return " ".join(filter(None, (first.text_at(part) for part in spoken))) if first else ""


def _has_a_say(contributor: Node) -> bool:
    roles = {role.text() for role in contributor.all("Role")}
    return not roles or not roles <= TECHNICAL_ROLES


def _references(nodes: Iterable[Node], tag: str) -> list[str]:
    """The party references of artists or contributors, by SequenceNumber where there is one."""
    return [node.text_at(tag) for node in sorted(nodes, key=_sequence)]


def _sequence(node: Node) -> int:
    number = node.attributes.get("SequenceNumber", "")
    return int(number) if _NUMBER.fullmatch(number) else _LAST


def _edition_ids(node: Node) -> list[Node]:
    return [*node.all("SoundRecordingEdition/ResourceId"), *node.all("VideoEdition/ResourceId")]


def _resources_in(release: Node) -> Iterator[str]:
    """Every resource that a release names, however deep in its groups."""
    for child in release.children:
        if child.tag == "ReleaseResourceReference":
            yield child.text()
        else:
            yield from _resources_in(child)


def _title(node: Node) -> str:
    for wanted in ("DisplayTitleText", "DisplayTitle"):
        found = node.all(wanted)
        shown = [title for title in found if title.attributes.get("IsDefault") == "true"] or found
        if shown:
            return clean(shown[0].text() or _title_parts(shown[0]))
    return ""


def _title_parts(title: Node) -> str:
    subtitle = title.text_at("SubTitle")
    return title.text_at("TitleText") + (f" ({subtitle})" if subtitle else "")


def _distinct(artists: Iterable[ArtistName]) -> tuple[ArtistName, ...]:
    first: dict[str, ArtistName] = {}
    for artist in artists:
        first.setdefault(artist.artist_id, artist)
    return tuple(first.values())
