"""Comma-separated values (RFC 4180) record by record, where one bad record spoils no other."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from service.catalog.sources.track import BadRow

LINE_LIMIT = 65_536
"""The longest line read, in characters; a longer one is a bad row."""
RECORD_LINES = 100
"""How many lines one record may go over, for titles with line breaks in them."""

_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
_OPEN = "a quotation mark is opened and not closed; write a quotation mark inside a field twice"


class Record(NamedTuple):
    """The fields of one record and the line it begins at, counted from 1."""

    line: int
    fields: list[str]


class _Line(NamedTuple):
    number: int
    text: str
    whole: bool


def csv_records(path: Path, source: str) -> Iterator[Record | BadRow]:
    """The records of a UTF-8 file (with or without byte order mark), blank lines left out.

    What is no record (bytes that are not UTF-8, a quotation mark left open, a line beyond
    `LINE_LIMIT`) is yielded as a BadRow, and reading goes on at the next line. Memory does not
    grow with the file.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(file)
        while (line := lines.next()) is not None:
            found = _record(line, lines)
            if isinstance(found, str):
                yield BadRow(source, line.number, found)
            elif found:
                yield Record(line.number, found)


class _Lines:
    """The lines of a file, none longer than the limit, some put back to be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._number = 0
        self._again: deque[_Line] = deque()

    def next(self) -> _Line | None:
        if self._again:
            return self._again.popleft()
        text = self._file.readline(LINE_LIMIT)
        if not text:
            return None
        self._number += 1
        whole = len(text) < LINE_LIMIT or text.endswith(("\r", "\n"))
        if not whole:
            self._skip_rest()
        return _Line(self._number, text, whole)

    def put_back(self, lines: list[_Line]) -> None:
        self._again.extendleft(reversed(lines))

    def _skip_rest(self) -> None:
        while (rest := self._file.readline(LINE_LIMIT)) and not rest.endswith(("\r", "\n")):
            pass


def _record(line: _Line, lines: _Lines) -> list[str] | str:
    """The fields of the record that begins at `line`, or what is wrong with it."""
    held: list[_Line] = []
    fields = _fields(line)
    while fields is None:
        following = lines.next()
        if following is not None:
            held.append(following)
        text = "".join(part.text for part in [line, *held])
        if following is None or len(held) >= RECORD_LINES or len(text) > LINE_LIMIT:
            lines.put_back(held)
            return _OPEN
        fields = _fields(_Line(line.number, text, following.whole))
    if isinstance(fields, str):
        lines.put_back(held)
    return fields


def _fields(line: _Line) -> list[str] | str | None:
    """The fields; text where this can be no record; None where the record goes on."""
    if not line.whole:
        return f"the line has more than {LINE_LIMIT} characters"
    if _NOT_UTF_8.search(line.text):
        return "it is not UTF-8: save the file with the encoding UTF-8"
    try:
        return next(csv.reader([line.text], strict=True), [])
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        return f"it is no comma-separated row: {error}"
