"""DDEX ERN 4.3 messages. The small ones are made up; the samples are DDEX's own."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.ddex import TECHNICAL_ROLES, is_ddex, read_ddex
from service.catalog.sources.isrc import compact_isrc
from service.catalog.sources.names import artist_id
from service.catalog.sources.track import BadRow, Track
from service.catalog.sources.xml_items import DEPTH_LIMIT, ENTRY_LIMIT

PARTIES = """
<PartyList>
  <Party><PartyReference>PAda</PartyReference>
    <PartyName><FullName>Ada Byron</FullName></PartyName>
    <PartyName LanguageAndScriptCode="ja"><FullName>エイダ</FullName></PartyName></Party>
  <Party><PartyReference>PMax</PartyReference>
    <PartyName><NamesBeforeKeyName>Max</NamesBeforeKeyName><KeyName>Born</KeyName></PartyName>
  </Party>
  <Party><PartyReference>PMira</PartyReference>
    <PartyName><FullName>Mira Okafor</FullName></PartyName>
    <PartyId><ISNI>0000 0001 2103 2683</ISNI>
      <ProprietaryId Namespace="PADPIDA1">77</ProprietaryId></PartyId></Party>
  <Party><PartyReference>PZora</PartyReference>
    <PartyName><FullName>Zora</FullName></PartyName>
    <PartyId><ProprietaryId Namespace="PADPIDA1">78</ProprietaryId></PartyId></Party>
  <Party><PartyReference>PBrand</PartyReference>
    <PartyName><FullName>Fast Toys</FullName></PartyName></Party>
</PartyList>
"""

Reader = Callable[..., list[Track | BadRow]]


def message(resources: str, *, parties: str = PARTIES, releases: str = "", cues: str = "") -> str:
    """A NewReleaseMessage around these parts."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ern:NewReleaseMessage xmlns:ern="http://ddex.net/xml/ern/43">
<MessageHeader><MessageId>M1</MessageId>
  <MessageSender><PartyId>PADPIDA1</PartyId></MessageSender></MessageHeader>
{parties}{cues}
<ResourceList>{resources}</ResourceList>
<ReleaseList>{releases}</ReleaseList>
<DealList><ReleaseDeal><ISRC>no</ISRC></ReleaseDeal></DealList>
</ern:NewReleaseMessage>
"""


def display(party: str, role: str = "MainArtist", sequence: int = 1) -> str:
    """A display artist."""
    return (
        f'<DisplayArtist SequenceNumber="{sequence}"><ArtistPartyReference>{party}'
        f"</ArtistPartyReference><DisplayArtistRole>{role}</DisplayArtistRole></DisplayArtist>"
    )


def contributor(party: str, *roles: str) -> str:
    """A contributor."""
    listed = "".join(f"<Role>{role}</Role>" for role in roles)
    return (
        f"<Contributor><ContributorPartyReference>{party}</ContributorPartyReference>"
        f"{listed}</Contributor>"
    )


def recording(
    credits_: str = display("PAda"),
    *,
    ids: str = "<ISRC>USABC2400001</ISRC>",
    reference: str = "A1",
    title: str = "<DisplayTitleText>Slow Ferry</DisplayTitleText>",
) -> str:
    """A sound recording of one edition."""
    return (
        f"<SoundRecording><ResourceReference>{reference}</ResourceReference>"
        f"<SoundRecordingEdition><ResourceId>{ids}</ResourceId></SoundRecordingEdition>"
        f"{title}{credits_}</SoundRecording>"
    )


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Read a message with this text."""

    def reader(text: str | bytes, **options: int) -> list[Track | BadRow]:
        path = tmp_path / "message.xml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return list(read_ddex(path, **options))  # type: ignore[arg-type]

    return reader


def only(rows: list[Track | BadRow]) -> Track:
    """The only row, a track."""
    (row,) = rows
    assert isinstance(row, Track), row
    return row


def only_bad(rows: list[Track | BadRow]) -> BadRow:
    """The only row, a bad one."""
    (row,) = rows
    assert isinstance(row, BadRow), row
    return row


def names(track: Track) -> list[str]:
    """The rightsholders' names, in order."""
    return [artist.name for artist in track.artists]


# -- what is content ----------------------------------------------------------------------------


def test_a_sound_recording_is_a_track(read: Reader) -> None:
    """Its id is its ISRC, and its line is where it stands in the file."""
    text = message("\n" + recording(ids="<ISRC>us-abc-24-00001</ISRC>"))
    track = only(read(text))
    assert (track.content_id, track.isrc) == ("isrc:USABC2400001", "USABC2400001")
    assert (track.title, names(track)) == ("Slow Ferry", ["Ada Byron"])
    assert text.splitlines()[track.line - 1].startswith("<SoundRecording>")


def test_a_video_is_content_and_an_image_is_not(read: Reader) -> None:
    """Nor is a text or anything else."""
    video = recording().replace("SoundRecording", "Video")
    image = "<Image><ResourceReference>A2</ResourceReference></Image>"
    assert only(read(message(video + image))).isrc == "USABC2400001"


def test_an_isrc_may_stand_without_an_edition(read: Reader) -> None:
    """As in earlier messages of version 4."""
    plain = (
        "<SoundRecording><ResourceId><ISRC>USABC2400001</ISRC></ResourceId>"
        f"{display('PAda')}</SoundRecording>"
    )
    assert only(read(message(plain))).isrc == "USABC2400001"


def test_every_edition_with_an_isrc_of_its_own_is_a_content(read: Reader) -> None:
    """An immersive mix, say, with the same rightsholders."""
    edition = (
        "<SoundRecordingEdition><ResourceId><ISRC>USABC2400002</ISRC></ResourceId>"
        "</SoundRecordingEdition>"
    )
    first, second = read(message(recording(edition + display("PAda"))))
    assert isinstance(first, Track)
    assert isinstance(second, Track)
    assert (first.isrc, second.isrc) == ("USABC2400001", "USABC2400002")
    assert first.artists == second.artists


def test_without_an_isrc_the_senders_own_number_is_the_id(read: Reader) -> None:
    """It tells senders apart, and it is the same in every message."""
    own = '<ProprietaryId Namespace="PADPIDA{}">X-77</ProprietaryId>'
    one = only(read(message(recording(ids=own.format(1)))))
    other = only(read(message(recording(ids=own.format(2)))))
    assert one.isrc is None
    assert one.content_id != other.content_id
    assert one.content_id.startswith("x-77-")


def test_without_any_number_the_place_in_the_message_is_the_id(read: Reader) -> None:
    """Two resources of one message are two contents."""
    rows = read(message(recording(ids="") + recording(ids="", reference="A2")))
    assert len({row.content_id for row in rows if isinstance(row, Track)}) == 2


DEFAULT_SECOND = (
    '<DisplayTitleText>A</DisplayTitleText><DisplayTitleText IsDefault="true">B</DisplayTitleText>'
)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<DisplayTitleText>A\n  B</DisplayTitleText>", "A B"),
        (DEFAULT_SECOND, "B"),
        ("<DisplayTitle><TitleText>A</TitleText></DisplayTitle>", "A"),
        (
            "<DisplayTitle><TitleText>A</TitleText><SubTitle>Live</SubTitle></DisplayTitle>",
            "A (Live)",
        ),
        ("", ""),
    ],
)
def test_the_title_is_the_one_to_display(read: Reader, title: str, shown: str) -> None:
    """The default one where there are several."""
    assert only(read(message(recording(title=title)))).title == shown


# -- who has a say ------------------------------------------------------------------------------


def test_display_artists_come_first_then_contributors_each_once(read: Reader) -> None:
    """By their sequence, not by their place."""
    credits_ = (
        contributor("PZora", "Composer")
        + display("PMax", "FeaturedArtist", 2)
        + display("PAda", "MainArtist", 1)
        + contributor("PAda", "Vocals")
    )
    assert names(only(read(message(recording(credits_))))) == ["Ada Byron", "Max Born", "Zora"]


@pytest.mark.parametrize("roles", [(), ("StudioProducer",), ("Yodeller",), ("UserDefined",)])
def test_a_contributor_has_a_say_unless_the_role_is_technical(
    read: Reader, roles: tuple[str, ...]
) -> None:
    """No role, and a role never heard of, count for the artist."""
    credits_ = display("PAda") + contributor("PMax", *roles)
    assert names(only(read(message(recording(credits_))))) == ["Ada Byron", "Max Born"]


def test_a_technical_role_alone_gives_no_say(read: Reader) -> None:
    """Together with another role it takes none away."""
    credits_ = (
        display("PAda")
        + contributor("PMax", *sorted(TECHNICAL_ROLES)[:2])
        + contributor("PZora", "MasteringEngineer", "Composer")
    )
    assert names(only(read(message(recording(credits_))))) == ["Ada Byron", "Zora"]


def test_a_brand_is_no_artist(read: Reader) -> None:
    """It stands on the cover like one."""
    credits_ = display("PBrand", "Brand") + display("PAda")
    assert names(only(read(message(recording(credits_))))) == ["Ada Byron"]


def test_a_display_name_alone_is_taken_apart(read: Reader) -> None:
    """Several artists in one line are several rightsholders here too."""
    credits_ = (
        "<DisplayArtistName>nobody</DisplayArtistName>"
        '<DisplayArtistName IsDefault="true">Ada Byron feat. Max Born</DisplayArtistName>'
    )
    track = only(read(message(recording(credits_))))
    assert names(track) == ["Ada Byron", "Max Born"]
    assert track.artists[0].artist_id == artist_id("Ada Byron")


def test_a_resource_without_artists_has_those_of_its_release(read: Reader) -> None:
    """DDEX allows to name them there only; they come after the resources in the file."""
    release = (
        "<Release><ResourceGroup><ResourceGroupContentItem><ReleaseResourceReference>A2"
        "</ReleaseResourceReference></ResourceGroupContentItem></ResourceGroup>"
        f"{display('PMax')}</Release>"
    )
    resources = recording() + recording(
        contributor("PZora"), ids="<ISRC>USABC2400002</ISRC>", reference="A2"
    )
    first, second = read(message(resources, releases=release))
    assert isinstance(first, Track)
    assert isinstance(second, Track)
    assert (names(first), names(second)) == (["Ada Byron"], ["Max Born", "Zora"])


def test_contributors_do_not_speak_for_an_artist_nobody_named(read: Reader) -> None:
    """Such a resource has no rightsholder, and R1 denies."""
    assert names(only(read(message(recording(contributor("PMax")))))) == []


def test_who_made_the_music_in_a_video_has_a_say_in_it(read: Reader) -> None:
    """By the cue sheet that the video refers to."""
    cues = (
        "<CueSheetList><CueSheet><CueSheetReference>Q1</CueSheetReference>"
        f"<Cue><ResourceId><ISRC>USABC2400009</ISRC></ResourceId>{contributor('PZora')}</Cue>"
        "</CueSheet></CueSheetList>"
    )
    credits_ = display("PAda") + "<VideoCueSheetReference>Q1</VideoCueSheetReference>"
    video = recording(credits_).replace("SoundRecording", "Video")
    assert names(only(read(message(video, cues=cues)))) == ["Ada Byron", "Zora"]
    assert "cue sheet Q1" in only_bad(read(message(video))).reason


# -- who they are -------------------------------------------------------------------------------


def test_an_identifier_of_the_party_goes_before_its_name(read: Reader) -> None:
    """Two artists of one name are then two, and one artist of two names is one."""
    other = PARTIES.replace("Mira Okafor", "M. Okafor").replace(
        "0000 0001 2103 2683", "0000000121032683"
    )
    one = only(read(message(recording(display("PMira")))))
    two = only(read(message(recording(display("PMira")), parties=other)))
    assert one.artists[0].artist_id == two.artists[0].artist_id
    assert one.artists[0].artist_id.startswith("isni-0000000121032683-")
    own = only(read(message(recording(display("PZora"))))).artists[0]
    assert own.artist_id.startswith("padpida1-78-")
    assert own.artist_id != artist_id("Zora")


def test_a_party_of_only_a_name_is_the_artist_of_that_name_everywhere(read: Reader) -> None:
    """Its first name, in the order it is spoken."""
    track = only(read(message(recording(display("PMax") + display("PAda", sequence=2)))))
    assert [artist.artist_id for artist in track.artists] == [
        artist_id("Max Born"),
        artist_id("Ada Byron"),
    ]


# -- what goes wrong ----------------------------------------------------------------------------


def test_a_resource_with_an_unknown_party_is_refused_and_the_next_is_read(read: Reader) -> None:
    """Somebody has a say, and nobody knows who."""
    for credits_ in (display("PNobody"), display("PAda") + contributor("PNobody")):
        bad, good = read(message(recording(credits_) + recording(ids="<ISRC>USABC2400002</ISRC>")))
        assert isinstance(bad, BadRow)
        assert "the party PNobody" in bad.reason
        assert isinstance(good, Track)


def test_a_wrong_isrc_is_refused_and_the_next_is_read(read: Reader) -> None:
    """With the code that was found."""
    bad, good = read(message(recording(ids="<ISRC>US1</ISRC>") + recording()))
    assert isinstance(bad, BadRow)
    assert "'US1' is no ISRC" in bad.reason
    assert isinstance(good, Track)


def test_a_repeated_isrc_names_the_first_line(read: Reader) -> None:
    """One recording is one content."""
    first, again = read(message(recording() + "\n" + recording(reference="A2")))
    assert isinstance(again, BadRow)
    assert f"isrc:USABC2400001 repeats line {first.line}," in again.reason


def test_a_message_that_breaks_off_keeps_what_came_before(read: Reader) -> None:
    """The break is told at its line; resources that wait for their release cannot be told."""
    whole = message(recording() + recording("", ids="<ISRC>USABC2400002</ISRC>", reference="A2"))
    rows = read(whole[: whole.index("</ResourceList>")])
    assert [type(row) for row in rows] == [Track, BadRow, BadRow]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert "not well-formed XML" in reasons[0]
    assert "broke off" in reasons[1]


BOMB = """<?xml version="1.0"?>
<!DOCTYPE bomb [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
"""


@pytest.mark.parametrize(
    "head",
    [
        BOMB,
        '<!DOCTYPE x SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        "<!DOCTYPE x>",
    ],
)
def test_a_document_type_is_refused(read: Reader, head: str) -> None:
    """So no entity is ever expanded or fetched."""
    body = message(recording(title="<DisplayTitleText>&b;</DisplayTitleText>"))
    rows = read(head + body.partition("\n")[2])
    assert "declares a document type or entities" in only_bad(rows).reason


def test_a_file_beyond_the_limit_is_refused(read: Reader) -> None:
    """Without being read to its end."""
    rows = read(message(recording() * 3), limit=500)
    assert "bigger than the 500 bytes" in only_bad(rows).reason


def test_nesting_beyond_the_limit_is_refused(read: Reader) -> None:
    """Whatever is meant by it."""
    deep = "<a>" * DEPTH_LIMIT + "</a>" * DEPTH_LIMIT
    assert "nested deeper" in only_bad(read(message(deep))).reason


def test_an_entry_too_big_to_hold_is_refused(read: Reader) -> None:
    """Memory does not depend on whoever sends the file."""
    big = f"<SoundRecording>{'x' * (ENTRY_LIMIT + 1)}</SoundRecording>"
    assert "bigger than can be held" in only_bad(read(message(big))).reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not XML"),
        ("content,title\n", "not well-formed"),
        ("<other/>", "it is no DDEX NewReleaseMessage but other"),
        ('<e:NewReleaseMessage xmlns:e="http://ddex.net/xml/ern/382"/>', "ERN version 382"),
        ('<e:PurgeReleaseMessage xmlns:e="http://ddex.net/xml/ern/43"/>', "PurgeReleaseMessage"),
    ],
)
def test_what_is_no_message_of_this_version_says_so(read: Reader, text: str, said: str) -> None:
    """In one row, with what to do."""
    assert said in only_bad(read(text)).reason


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_no_damage_makes_it_fail(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    """Whatever bytes stand in the middle of a message, there are rows and no exception."""
    whole = message(recording() + recording("", reference="A2")).encode()
    path = tmp_path_factory.mktemp("xml") / "message.xml"
    path.write_bytes(whole[:place] + noise + whole[place:])
    assert list(read_ddex(path))


@pytest.mark.parametrize("code", ["USABC2400001", "us-abc-24-00001", " ISRC US-ABC-24-00001 "])
def test_an_isrc_has_one_form(code: str) -> None:
    """However it was written."""
    assert compact_isrc(code) == "USABC2400001"


@pytest.mark.parametrize(
    "code", ["", "USABC240000", "USABC24000011", "U1ABC2400001", "USABC24O0001"]
)
def test_what_is_no_isrc_is_refused(code: str) -> None:
    """By ISO 3901:2019, prefix included."""
    with pytest.raises(ValueError, match="is no ISRC"):
        compact_isrc(code)


# -- the samples --------------------------------------------------------------------------------

SAMPLES = {
    "43_1_Audio.xml": (21, 1, 1),
    "43_2_Video.xml": (2, 1, 1),
    "43_4_SimpleAudioSingle.xml": (1, 1, 1),
    "43_5_SimpleVideoSingle.xml": (1, 2, 2),
    "43_6_Ringtone.xml": (1, 15, 15),
    "43_7_LongformMusicalWorkVideo.xml": (2, 3, 3),
}
"""Of each: contents, the most rightsholders of one, artists in all."""


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_read_whole(shared_data: Path, name: str) -> None:
    """No row is refused, and no recording, video or artist is missing."""
    rows = list(read_ddex(shared_data / "ddex-ern43" / name))
    tracks = [row for row in rows if isinstance(row, Track)]
    contents, most, artists = SAMPLES[name]
    assert len(rows) == len(tracks) == contents
    assert max(len(track.artists) for track in tracks) == most
    assert len({artist for track in tracks for artist in track.artists}) == artists
    assert all(track.isrc and track.title and track.artists for track in tracks)


def test_every_isrc_of_the_samples_is_met(shared_data: Path) -> None:
    """All of them are valid, and every one in a resource is some track's (28 of 28 recordings)."""
    folder = shared_data / "ddex-ern43"
    written, told = [], set()
    for path in sorted(folder.glob("*.xml")):
        root = ET.parse(path).getroot()  # noqa: S314 (DDEX's own samples)
        written += [compact_isrc(code.text or "") for code in root.iter("ISRC")]
        told |= {row.isrc for row in read_ddex(path) if isinstance(row, Track)}
        assert is_ddex(path)
    assert len(written) == 43
    assert told == set(written)
    assert len(told) == 28
