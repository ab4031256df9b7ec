"""A folder of releases.csv and tracks.csv."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from service.catalog.sources.freemusic import is_freemusic, read_freemusic
from service.catalog.sources.track import BadRow, Track

RELEASES = "album,artist,id\nFerries,Ada Byron,r1\nSampler,Various Artists,r2\n"
HEADER = "disc,duration,id,title,track,trackartist,trackurl\n"
Reader = Callable[..., list[Track | BadRow]]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Read a folder of these rows of tracks and these releases."""

    def reader(*rows: str, releases: str = RELEASES) -> list[Track | BadRow]:
        folder = tmp_path / "free"
        folder.mkdir(exist_ok=True)
        (folder / "releases.csv").write_text(releases, encoding="utf-8")
        (folder / "tracks.csv").write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
        return list(read_freemusic(folder))

    return reader


def names(row: Track | BadRow) -> list[str]:
    """The rightsholders' names."""
    assert isinstance(row, Track)
    return [artist.name for artist in row.artists]


def test_a_row_is_a_track_of_everybody_it_credits(read: Reader) -> None:
    """In the artist line and in the title."""
    (row,) = read("1,60,r1,Slow Ferry (feat. Mira),3,Ada Byron & Max Born,http://x/1.mp3")
    assert isinstance(row, Track)
    assert names(row) == ["Ada Byron", "Max Born", "Mira"]
    assert (row.title, row.isrc) == ("Slow Ferry (feat. Mira)", None)
    assert (row.source, row.line) == ("free/tracks.csv", 2)
    assert row.content_id.startswith("r1-1-3-")


def test_ids_do_not_change_when_what_they_do_not_name_is_corrected(read: Reader) -> None:
    """A second import after a correction of credit or length meets the same content."""
    (before,) = read("1,60,r1,Ferry,3,Ada Byron,http://x/1.mp3")
    (after,) = read("1,61,r1,Ferry,3,Ada King,http://x/1.mp3")
    assert isinstance(before, Track)
    assert isinstance(after, Track)
    assert before.content_id == after.content_id


def test_ids_tell_recordings_at_one_place_apart(read: Reader) -> None:
    """This catalogue has several files at one place of a release, and several titles in a file."""
    rows = read(
        "1,60,r1,Ferry,3,Ada,http://x/1.mp3",
        "1,60,r1,Ferry,3,Ada,http://x/2.mp3",
        "1,60,r1,Kites,3,Ada,http://x/1.mp3",
        "1,60,r1,Ferry,4,Ada,http://x/1.mp3",
    )
    assert len({row.content_id for row in rows if isinstance(row, Track)}) == 4


def test_a_repeated_recording_is_refused_but_all_its_credits_count(read: Reader) -> None:
    """Whoever the later row names has a say in the recording as well."""
    first, again = read(
        "1,60,r1,Ferry,3,Town Orchestra,http://x/1.mp3",
        '1,60,r1,Ferry,3,"Ada Byron, Town Orchestra",http://x/1.mp3',
    )
    assert names(first) == ["Town Orchestra", "Ada Byron"]
    assert isinstance(again, BadRow)
    assert again.line == 3
    assert "repeats line 2," in again.reason


@pytest.mark.parametrize("credit", ["", "Various Artists"])
def test_a_track_that_credits_nobody_has_no_rightsholder(read: Reader, credit: str) -> None:
    """It is kept, so that R1 denies it; a guest in its title must not speak for the artist."""
    (row,) = read(f"1,60,r2,Ferry (feat. Mira),1,{credit},http://x/1.mp3")
    assert names(row) == []


def test_names_from_other_rows_and_from_the_releases_are_evidence(read: Reader) -> None:
    """The whole folder is known before the first track is told."""
    rows = read(
        "1,60,r1,A,1,Rain and Cellars,http://x/1.mp3",
        "1,60,r1,B,2,Ada Byron & The Engines,http://x/2.mp3",
        "1,60,r1,C,3,Rain,http://x/3.mp3",
    )
    assert [names(row) for row in rows] == [
        ["Rain", "Cellars"],
        ["Ada Byron", "The Engines"],
        ["Rain"],
    ]


def test_misread_names_are_put_right(read: Reader) -> None:
    """And are then the same artist as those written right."""
    broken, right = read(
        "1,60,r1,BjÃ¶rks Ã\u2013,1,BjÃ¶rn,http://x/1.mp3", "1,60,r1,B,2,Björn,http://x/2.mp3"
    )
    assert names(broken) == names(right) == ["Björn"]
    assert isinstance(broken, Track)
    assert broken.title == "Björks Ö"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,60,r9,Ferry,1,Ada,http://x/1.mp3", "release 'r9' is not in releases.csv"),
        ("1,60,r1,Ferry,1,Ada", "it has 6 fields, and the header has 7"),
        (f"1,60,r1,Ferry,1,{'Ada & ' * 200},http://x/1.mp3", "1000 are the most"),
        (f"1,60,r1,{'Ferry ' * 200},1,Ada,http://x/1.mp3", "1000 are the most"),
    ],
)
def test_a_bad_row_says_why_and_the_next_is_read(read: Reader, row: str, said: str) -> None:
    """At its line."""
    bad, good = read(row, "1,60,r1,Kites,2,Ada,http://x/2.mp3")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert said in bad.reason
    assert names(good) == ["Ada"]


def test_bad_rows_of_the_releases_are_told_too(read: Reader) -> None:
    """Their tracks are refused for want of a release."""
    rows = read("1,60,r1,Ferry,1,Ada,http://x/1.mp3", releases="album,artist,id\nFerries,r1\n")
    assert [(row.source, row.line) for row in rows] == [
        ("free/releases.csv", 2),
        ("free/tracks.csv", 2),
    ]
    assert all(isinstance(row, BadRow) for row in rows)


def test_the_folder_is_known_by_both_files(tmp_path: Path) -> None:
    """With the columns that are read."""
    (tmp_path / "tracks.csv").write_text(HEADER)
    assert not is_freemusic(tmp_path)
    (tmp_path / "releases.csv").write_text("name\n")
    assert not is_freemusic(tmp_path)
    (tmp_path / "releases.csv").write_text(RELEASES)
    assert is_freemusic(tmp_path)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[Track | BadRow]:
    """The real catalogue, read once."""
    return list(read_freemusic(shared_data / "freemusi-cc"))


def test_the_real_catalogue_is_read_to_the_last_row(real: list[Track | BadRow]) -> None:
    """21,502 rows: 33 repeat a recording (18 of them to the letter), the others are tracks."""
    tracks = [row for row in real if isinstance(row, Track)]
    assert len(real) == 21_502
    assert len(tracks) == len({track.content_id for track in tracks}) == 21_469
    assert all("repeats line" in row.reason for row in real if isinstance(row, BadRow))


def test_the_real_catalogue_credits_whom_it_should(real: list[Track | BadRow]) -> None:
    """3 tracks with an empty credit and 3 with a placeholder have nobody to ask; the others do.

    Some 1,000 credit lines and 550 more titles name several artists.
    """
    tracks = [row for row in real if isinstance(row, Track)]
    sizes = Counter(len(track.artists) for track in tracks)
    assert sizes[0] == 6
    assert 1_400 < sum(count for size, count in sizes.items() if size > 1) < 1_700
    artists = {artist.artist_id for track in tracks for artist in track.artists}
    assert 6_500 < len(artists) < 7_200
    assert not [artist.name for track in tracks for artist in track.artists if "Ã" in artist.name]


def test_a_second_reading_gives_the_same(real: list[Track | BadRow], shared_data: Path) -> None:
    """Down to the order: the import is resumable and idempotent."""
    assert list(read_freemusic(shared_data / "freemusi-cc")) == real
