"""Records of a CSV file, where one bad record spoils no other."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.csv_records import LINE_LIMIT, Record, csv_records
from service.catalog.sources.track import BadRow

Reader = Callable[[bytes | str], list[Record | BadRow]]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Read the records of a file with this content."""

    def reader(content: bytes | str) -> list[Record | BadRow]:
        path = tmp_path / "a.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(csv_records(path, "a.csv"))

    return reader


def bad_lines(rows: list[Record | BadRow]) -> dict[int, str]:
    """The reasons of the bad rows, by line."""
    return {row.line: row.reason for row in rows if isinstance(row, BadRow)}


def test_plain_records_know_their_lines(read: Reader) -> None:
    """Blank lines are no records, but they count."""
    assert read("a,b\n\nc,d\r\n") == [Record(1, ["a", "b"]), Record(3, ["c", "d"])]


def test_a_byte_order_mark_is_no_part_of_the_first_field(read: Reader) -> None:
    """Spreadsheets write one."""
    assert read(b"\xef\xbb\xbfid,title\n") == [Record(1, ["id", "title"])]


def test_the_last_line_needs_no_end(read: Reader) -> None:
    """Nothing is lost at the end of the file."""
    assert read("a,b\nc,d") == [Record(1, ["a", "b"]), Record(2, ["c", "d"])]


def test_a_quoted_field_may_hold_commas_quotes_and_line_breaks(read: Reader) -> None:
    """As RFC 4180 says; the record's line is where it begins."""
    rows = read('a,"b, ""c""\nd"\ne,f\n')
    assert rows == [Record(1, ["a", 'b, "c"\nd']), Record(3, ["e", "f"])]


def test_a_quotation_mark_inside_a_plain_field_is_text(read: Reader) -> None:
    """A 12" single is a title."""
    assert read('Ferry (12" Mix),b\n') == [Record(1, ['Ferry (12" Mix)', "b"])]


def test_an_open_quotation_mark_costs_one_line_only(read: Reader) -> None:
    """The lines after it are read as if it had not been there."""
    rows = read('a,"b\n' + "".join(f"c,{n}\n" for n in range(300)))
    assert list(bad_lines(rows)) == [1]
    assert "not closed" in bad_lines(rows)[1]
    assert rows[1:] == [Record(n + 2, ["c", str(n)]) for n in range(300)]


def test_a_quotation_mark_closed_far_too_late_costs_its_line_only(read: Reader) -> None:
    """What was taken for its inside is given back."""
    rows = read('"a,b\nc,"d",e\nf,g\n')
    assert list(bad_lines(rows)) == [1]
    assert rows[1:] == [Record(2, ["c", "d", "e"]), Record(3, ["f", "g"])]


def test_bytes_that_are_not_utf_8_cost_their_line_only(read: Reader) -> None:
    """Latin-1 is not guessed at."""
    rows = read(b"a,b\nBj\xf6rn,c\nd,e\n")
    assert list(bad_lines(rows)) == [2]
    assert "UTF-8" in bad_lines(rows)[2]
    assert rows[2] == Record(3, ["d", "e"])


def test_a_line_beyond_the_limit_costs_itself_only(read: Reader) -> None:
    """However long it is, it is not held."""
    rows = read("a,b\n" + "x" * (3 * LINE_LIMIT) + ",y\nc,d\n")
    assert list(bad_lines(rows)) == [2]
    assert rows[2] == Record(3, ["c", "d"])


def test_a_null_character_is_kept_for_the_reader_to_judge_or_refused(read: Reader) -> None:
    """It never ends the reading."""
    assert read("a\x00,b\nc,d\n")[1] == Record(2, ["c", "d"])


def test_an_empty_file_has_no_records(read: Reader) -> None:
    """And is no error here."""
    assert read("") == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Ten megabytes pass through less than one."""
    path = tmp_path / "long.csv"
    path.write_text(("c" * 98 + ",t\n") * 99_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in csv_records(path, "long.csv"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 99_000
    assert peak < 1_000_000


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=4), max_size=8))
def test_whatever_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """For any text in any field."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(out.getvalue().encode())
    read = list(csv_records(path, "a.csv"))
    assert [row.fields for row in read if isinstance(row, Record)] == rows


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_it_fail(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """What is no CSV is bad rows."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(content)
    for row in csv_records(path, "a.csv"):
        assert row.line >= 1
