"""The last look at every row: fit for the service, and each content only once."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.once import FirstPlaces, each_once
from service.catalog.sources.track import (
    ID_LIMIT,
    TEXT_LIMIT,
    ArtistName,
    BadRow,
    Track,
    id_problem,
)


def track(content_id: str, line: int, *, source: str = "a.csv", title: str = "") -> Track:
    """A track of Ada's."""
    return Track(content_id, title, (ArtistName("ada", "Ada"),), None, source, line)


def test_the_first_stands_and_the_second_names_it() -> None:
    """So that whoever keeps the file finds both."""
    rows = list(each_once([track("t1", 2), track("t2", 3), track("t1", 9)]))
    assert rows[:2] == [track("t1", 2), track("t2", 3)]
    assert isinstance(rows[2], BadRow)
    assert rows[2].line == 9
    assert "t1 repeats line 2," in rows[2].reason


def test_a_repetition_across_sources_names_the_other_source() -> None:
    """With the places of all sources together."""
    with FirstPlaces() as seen:
        assert list(each_once([track("t1", 2)], seen)) == [track("t1", 2)]
        (again,) = each_once([track("t1", 5, source="b.csv")], seen)
    assert isinstance(again, BadRow)
    assert "line 2 of a.csv" in again.reason


def test_bad_rows_pass() -> None:
    """They are nobody's repetition."""
    bad = BadRow("a.csv", 1, "because")
    assert list(each_once([bad, bad])) == [bad, bad]


def test_what_the_service_would_refuse_is_a_bad_row_and_takes_no_place() -> None:
    """An unfit row does not push out a fit one of the same id."""
    long_title = track("t1", 2, title="x" * (TEXT_LIMIT + 1))
    rows = list(each_once([long_title, track("x" * 201, 3), track("t1", 4)]))
    assert [type(row) for row in rows] == [BadRow, BadRow, Track]


def test_what_an_identifier_may_be() -> None:
    """Opaque, up to 200 characters, nothing invisible."""
    assert id_problem("x" * ID_LIMIT) is None
    assert id_problem("ünïcode / anything: really?") is None
    for bad in ("", " x", "x ", "a\nb", "a\x00b", "a\ud800b", "x" * (ID_LIMIT + 1)):
        assert id_problem(bad)


def test_places_may_be_kept_by_one_thread_and_asked_by_another() -> None:
    """An importer reads its file in a thread beside the event loop."""
    with FirstPlaces() as seen:
        rows: list[Track | BadRow] = []
        worker = threading.Thread(target=lambda: rows.extend(each_once([track("t1", 2)], seen)))
        worker.start()
        worker.join()
        assert rows == [track("t1", 2)]


@given(st.lists(st.sampled_from("abcdef"), max_size=30))
def test_every_id_comes_once_and_no_row_is_lost(ids: list[str]) -> None:
    """As many rows out as in; the tracks are the first of each id, in order."""
    rows = list(each_once(track(name, line) for line, name in enumerate(ids, start=1)))
    assert len(rows) == len(ids)
    kept = [row.content_id for row in rows if isinstance(row, Track)]
    assert kept == list(dict.fromkeys(ids))
