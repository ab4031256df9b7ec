"""Which catalogues lie at a path."""

from collections import Counter
from pathlib import Path

import pytest

from service.catalog.sources.discover import NoCatalogError, count_hint, open_catalog
from service.catalog.sources.track import BadRow, Track

OURS = "content,title,artists,isrc,status\n"
ERN = (
    '<e:NewReleaseMessage xmlns:e="http://ddex.net/xml/ern/43">'
    "<ResourceList><SoundRecording><ResourceId><ISRC>{}</ISRC></ResourceId>"
    "<DisplayArtistName>Ada</DisplayArtistName></SoundRecording ></ResourceList>"
    "</e:NewReleaseMessage>"
)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with one of each kind, and things that are no catalogue."""
    free = tmp_path / "free"
    free.mkdir()
    (free / "releases.csv").write_text("id,artist\nr1,Ada\n")
    (free / "tracks.csv").write_text(
        "id,disc,track,title,trackartist,trackurl\nr1,1,1,Ferry,Ada,u1\nr1,1,2,Kites,Ada,u2"
    )
    (free / "README.md").write_text("content,artists")
    (free / "more.csv").write_text(OURS + "t1,Amber,ada,,\n")
    (tmp_path / "people.csv").write_text("name,mail\nAda,a@example.org\n")
    (tmp_path / "page.xml").write_text("<page/>")
    (tmp_path / "b.XML").write_text(ERN.format("USABC2400001"))
    (tmp_path / "a.xml").write_text(ERN.format("USABC2400002"))
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.csv").write_text(OURS + "t9,Hidden,ada,,\n")
    return tmp_path


def test_a_folder_may_hold_any_mix(mixed: Path) -> None:
    """In the order of the names, each row with its file; what is no catalogue is left alone."""
    assert [(row.source, row.line) for row in open_catalog(mixed)] == [
        ("a.xml", 1),
        ("b.XML", 1),
        ("free/tracks.csv", 2),
        ("free/tracks.csv", 3),
        ("free/more.csv", 2),
    ]


def test_the_hint_counts_without_reading(mixed: Path) -> None:
    """Exact here: a last line without an end and a tag with a space count as well."""
    assert count_hint(mixed) == 5
    assert count_hint(mixed / "a.xml") == 1
    assert count_hint(mixed / "free" / "more.csv") == 1


def test_a_content_in_two_files_comes_once(mixed: Path) -> None:
    """The second names the file of the first."""
    (mixed / "c.xml").write_text(ERN.format("USABC2400001"))
    bad = [row for row in open_catalog(mixed) if isinstance(row, BadRow)]
    assert [(row.source, row.line) for row in bad] == [("c.xml", 1)]
    assert "repeats line 1 of b.XML" in bad[0].reason


def test_a_catalogue_folder_may_be_named_itself(mixed: Path) -> None:
    """Its own name is then its source."""
    assert next(iter(open_catalog(mixed / "free"))).source == "free/tracks.csv"


def test_a_single_file_may_be_named(mixed: Path) -> None:
    """It is read as what its name ends in, and says itself what is wrong with it."""
    assert [type(row) for row in open_catalog(mixed / "a.xml")] == [Track]
    (row,) = open_catalog(mixed / "people.csv")
    assert isinstance(row, BadRow)
    assert "the first line must name the columns content, title" in row.reason
    (row,) = open_catalog(mixed / "page.xml")
    assert isinstance(row, BadRow)


def test_an_unreadable_message_in_a_folder_is_told_and_not_left_out(mixed: Path) -> None:
    """A release in another version, or one that hides behind a document type, is not unknown."""
    (mixed / "d.xml").write_text('<n:N xmlns:n="http://ddex.net/xml/ern/382"/>')
    (mixed / "e.xml").write_text("<!DOCTYPE x>" + ERN.format("USABC2400003"))
    bad = [row.source for row in open_catalog(mixed) if isinstance(row, BadRow)]
    assert bad == ["d.xml", "e.xml"]


@pytest.mark.parametrize("name", ["nothing", "empty", "notes.txt"])
def test_nothing_to_read_says_what_could_have_been(tmp_path: Path, name: str) -> None:
    """At once, before a single row is taken."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("content,title,artists,isrc,status")
    with pytest.raises(NoCatalogError, match=r"content,title,artists,isrc,status.*DDEX ERN 4\.3"):
        open_catalog(tmp_path / name)
    assert count_hint(tmp_path / name) is None


def test_the_real_folder_is_read_whole(shared_data: Path) -> None:
    """Both catalogues of it: 21,502 rows and 28 recordings and videos, as the hint says."""
    rows = list(open_catalog(shared_data))
    folders = Counter(row.source.partition("/")[0] for row in rows)
    assert folders == {"freemusi-cc": 21_502, "ddex-ern43": 28}
    assert count_hint(shared_data) == 21_530
    assert len({row.content_id for row in rows if isinstance(row, Track)}) == 21_469 + 28
