"""Our own CSV format."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.csv_catalog import (
    is_csv_catalog,
    read_csv_catalog,
    write_csv_catalog,
)
from service.catalog.sources.generated import generated_catalog
from service.catalog.sources.names import clean
from service.catalog.sources.track import ArtistName, BadRow, Track, id_problem
from service.domain.events import ContentStatus

HEADER = "content,title,artists,isrc,status\n"
Reader = Callable[[str], list[Track | BadRow]]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Read a file with this content."""

    def reader(content: str) -> list[Track | BadRow]:
        path = tmp_path / "catalogue.csv"
        path.write_text(content, encoding="utf-8")
        return list(read_csv_catalog(path))

    return reader


def reason(rows: list[Track | BadRow]) -> str:
    """The reason of the only row, which is a bad one."""
    (row,) = rows
    assert isinstance(row, BadRow)
    return row.reason


def test_a_row_is_a_track(read: Reader) -> None:
    """Ids are the platform's own, the ISRC is made compact."""
    rows = read(HEADER + "t1,Slow Ferry,ada; max,us-abc-24-00001,\n")
    assert rows == [
        Track(
            content_id="t1",
            title="Slow Ferry",
            artists=(ArtistName("ada", "ada"), ArtistName("max", "max")),
            isrc="USABC2400001",
            source="catalogue.csv",
            line=2,
            status=ContentStatus.ACTIVE,
        )
    ]


def test_names_stand_beside_the_ids(read: Reader) -> None:
    """In the same order; an empty one shows the id; columns come in any order."""
    (row,) = read(
        "artist_names,status,isrc,artists,title,content\n"
        "Ada Byron;,removed,,ada;max,Slow Ferry,t1\n"
    )
    assert isinstance(row, Track)
    assert row.artists == (ArtistName("ada", "Ada Byron"), ArtistName("max", "max"))
    assert row.status is ContentStatus.REMOVED


def test_credits_are_not_taken_apart(read: Reader) -> None:
    """An id is an id, whatever it looks like."""
    (row,) = read(HEADER + 't1,,"Ada & Max, feat. Mira",,\n')
    assert isinstance(row, Track)
    assert [artist.artist_id for artist in row.artists] == ["Ada & Max, feat. Mira"]


def test_a_track_without_rightsholders_is_kept(read: Reader) -> None:
    """R1 denies it; leaving it out would make it unknown instead."""
    (row,) = read(HEADER + "t1,Slow Ferry,,,\n")
    assert isinstance(row, Track)
    assert row.artists == ()


def test_nobody_has_two_votes(read: Reader) -> None:
    """An id given twice counts once."""
    (row,) = read(HEADER + "t1,,ada;max;ada,,\n")
    assert isinstance(row, Track)
    assert [artist.artist_id for artist in row.artists] == ["ada", "max"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (",T,ada,,", "content '' is no identifier: it is empty"),
        ("t1,T,ada;;max,,", "artists: '' is no identifier"),
        ("t1,T,ada,ABC,", "'ABC' is no ISRC"),
        ("t1,T,ada,USABC24000011,", "is no ISRC"),
        ("t1,T,ada,XXABC2400001,", "not a known ISRC prefix"),
        ("t1,T,ada,,gone", "status 'gone' is none of active, disputed, removed"),
        ("t1,T,ada,", "it has 4 fields, and the header has 5"),
        ("t1,Slow, Ferry,ada,,", "put a field that holds a comma in quotation marks"),
        ("x" * 201 + ",T,ada,,", "201 characters"),
        (f"t1,T,{'x' * 201},,", "201 characters"),
        (f"t1,{'x' * 1001},ada,,", "1001 characters, and 1000 are the most"),
    ],
)
def test_a_bad_row_says_what_to_change_and_the_next_is_read(
    read: Reader, line: str, said: str
) -> None:
    """At its line; nothing else is lost."""
    bad, good = read(f"{HEADER}{line}\nt2,T,ada,,\n")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert said in bad.reason
    assert isinstance(good, Track)
    assert good.content_id == "t2"


def test_names_must_match_the_ids(read: Reader) -> None:
    """Else one artist would be shown under another's name."""
    rows = read("content,title,artists,isrc,status,artist_names\nt1,,ada;max,,,Ada\n")
    assert "artists has 2 ids and artist_names has 1 names" in reason(rows)


def test_a_repeated_content_names_the_first_line(read: Reader) -> None:
    """The first stands."""
    rows = read(HEADER + "t1,A,ada,,\nt2,B,ada,,\nt1,C,max,,\n")
    assert [type(row) for row in rows] == [Track, Track, BadRow]
    assert "t1 repeats line 2," in rows[2].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("content,title,artists,isrc", "missing: status"),
        ("content,title,artists,isrc,status,genre", "not known here: genre"),
        ("content,title,artists,isrc,status,title", "more than once: title"),
        ("Content,title,artists,isrc,status", "missing: content; not known here: Content"),
        ("t1,Slow Ferry,ada,,", "the first line must name the columns content, title, artists"),
    ],
)
def test_a_wrong_header_says_what_it_must_be(read: Reader, header: str, said: str) -> None:
    """Nothing below it is guessed at."""
    assert said in reason(read(f"{header}\nt1,A,ada,,\n"))


def test_an_empty_file_says_what_it_must_begin_with(read: Reader) -> None:
    """A file without a header has no rows."""
    assert "the file is empty" in reason(read(""))


def test_a_file_is_known_by_its_header(tmp_path: Path) -> None:
    """Its name does not matter, and a slip in the header does not hide it."""
    ours, slip, other = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"
    ours.write_text(HEADER)
    slip.write_text("content,artists,tittle\n")
    other.write_text("id,name\n")
    assert [is_csv_catalog(path) for path in (ours, slip, other)] == [True, True, False]


IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda text: not id_problem(text) and ";" not in text
)
SHOWN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda text: bool(text) and clean(text) == text and ";" not in text
)
TRACKS = st.builds(
    Track,
    content_id=IDS,
    title=st.just("") | SHOWN,
    artists=st.lists(st.builds(ArtistName, IDS, SHOWN), max_size=4, unique_by=lambda a: a[0]).map(
        tuple
    ),
    isrc=st.sampled_from([None, "USABC2400001", "QZES71982312"]),
    source=st.just("catalogue.csv"),
    line=st.just(0),
    status=st.sampled_from(ContentStatus),
)


@given(st.lists(TRACKS, max_size=6, unique_by=lambda track: track.content_id))
def test_what_is_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, tracks: list[Track]
) -> None:
    """For any ids, titles and names without a semicolon."""
    path = tmp_path_factory.mktemp("csv") / "catalogue.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        assert write_csv_catalog(tracks, out) == len(tracks)
    told = [
        (t.content_id, t.title, t.artists, t.isrc, t.status)
        for t in read_csv_catalog(path)
        if isinstance(t, Track)
    ]
    assert told == [(t.content_id, t.title, t.artists, t.isrc, t.status) for t in tracks]


def test_a_generated_catalogue_survives_the_format(tmp_path: Path) -> None:
    """So that a demonstration can go through the same door as everybody."""
    tracks = list(generated_catalog(random.Random(1), 200))
    path = tmp_path / "generated.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        write_csv_catalog(tracks, out)
    read = [row for row in read_csv_catalog(path) if isinstance(row, Track)]
    assert [(t.content_id, t.artists) for t in read] == [(t.content_id, t.artists) for t in tracks]


def test_a_semicolon_in_an_id_is_refused_when_writing() -> None:
    """Read back it would be two artists."""
    track = Track("t1", "", (ArtistName("a;b", "A"),), None, "x", 1)
    with pytest.raises(ValueError, match="semicolon"):
        write_csv_catalog([track], io.StringIO())
