"""Published words, set for reading: paragraphs, headings, lists and emphasis as in Markdown.

Nothing is left out or reordered, and nothing else of Markdown is understood: links and HTML stay
the characters they are. The exact bytes are always one click away.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_BETWEEN: Final = re.compile(r"\n[^\S\n]*\n")
_HEADING: Final = re.compile(r"#{1,6}\s+")
_HEADING_MARKS: Final = re.compile(r"^#{1,6}[^\S\n]+", re.MULTILINE)
_ITEM: Final = re.compile(r"^\s{0,3}[-*]\s+", re.MULTILINE)
_STRONG: Final = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")


class Kind(StrEnum):
    """What a block of text is."""

    PARAGRAPH = "paragraph"
    HEADING = "heading"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Run:
    """Some words, emphasised or not."""

    text: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or a heading, which is one line, or a list with a line for each item."""

    kind: Kind
    lines: tuple[tuple[Run, ...], ...]


def typeset(text: str) -> tuple[Block, ...]:
    """Return the text as blocks, in order."""
    blocks: list[Block] = []
    for part in _BETWEEN.split(text):
        heading, rest = "", part
        if _HEADING.match(part):
            heading, _, rest = part.partition("\n")
        paragraph, *items = _ITEM.split(rest)
        blocks += _block(Kind.HEADING, _HEADING.sub("", heading, count=1))
        blocks += _block(Kind.PARAGRAPH, paragraph)
        blocks += _block(Kind.LIST, *items)
    return tuple(blocks)


def unmarked(text: str) -> str:
    """Return the words alone, without the marks of headings and emphasis that setting takes in."""
    return _STRONG.sub(r"\1", _HEADING_MARKS.sub("", text))


def _block(kind: Kind, *lines: str) -> list[Block]:
    runs = tuple(_runs(line) for line in lines if line.strip())
    return [Block(kind, runs)] if runs else []


def _runs(line: str) -> tuple[Run, ...]:
    """Return the words with single spaces between them: where lines broke says nothing."""
    pieces = _STRONG.split(" ".join(line.split()))
    runs = (Run(piece, strong=place % 2 == 1) for place, piece in enumerate(pieces))
    return tuple(run for run in runs if run.text)
