"""What changed between two texts, word by word, for people to read.

Texts are compared paragraph by paragraph first, and by words only inside the paragraphs that
differ; where even that would take too long, what differs is shown as replaced as a whole. So the
work is bounded whatever the texts are, and what is shown is always true: without the words marked
as added it is the text before, without those marked as removed the text after.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Final, TypeVar

MOST_COMPARISONS: Final = 250_000
"""Pairs of equal words, or paragraphs, up to which difflib is asked: its work grows with them."""

CONTEXT: Final = 40
"""Unchanged words that are shown on either side of a change."""

_BETWEEN_PARAGRAPHS: Final = re.compile(r"\n[^\S\n]*\n")

T = TypeVar("T")


class Change(StrEnum):
    """What became of some words. `SKIPPED` are unchanged ones, too far from any change to show."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words in a row, `words` of them; `text` is empty where they are skipped.

    Words have a space between them, a line break where a line ends, as items of lists do, and two
    where a paragraph ends; `then` is what stands between this piece and the next.
    """

    change: Change
    text: str
    words: int
    then: str = " "


@dataclass(frozen=True, slots=True)
class _Word:
    word: str
    then: str = field(compare=False)


_Paragraph = tuple[_Word, ...]
_Marked = tuple[Change, _Word]


@lru_cache(maxsize=128)
def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """Return what makes up both texts, in order, with unchanged stretches cut short.

    Empty where the words are the same: then at most spaces and line breaks differ.
    """
    words = list(_compared(_paragraphs(before), _paragraphs(after)))
    if all(change is Change.SAME for change, _ in words):
        return ()
    runs = [
        (change, [word for _, word in run]) for change, run in groupby(words, lambda one: one[0])
    ]
    pieces = [
        piece
        for place, (change, run) in enumerate(runs)
        for piece in _pieces(change, run, first=place == 0, last=place == len(runs) - 1)
    ]
    return tuple(map(_beside, pieces, [*pieces[1:], None]))


def _beside(piece: Piece, following: Piece | None) -> Piece:
    """Return the piece without the end of its line, where what replaces it has it too."""
    replaced = piece.change is Change.REMOVED and following is not None
    if replaced and following is not None and following.change is Change.ADDED:
        return replace(piece, then=" ") if following.then == piece.then else piece
    return piece


def _paragraphs(text: str) -> list[_Paragraph]:
    parts = (_paragraph(part) for part in _BETWEEN_PARAGRAPHS.split(text))
    return [words for words in parts if words]


def _paragraph(text: str) -> _Paragraph:
    """Return its words, each with what stands after it."""
    lines = [words for line in text.split("\n") if (words := line.split())]
    return tuple(
        _Word(word, " " if place < len(words) else "\n\n" if words is lines[-1] else "\n")
        for words in lines
        for place, word in enumerate(words, start=1)
    )


def _compared(before: Sequence[_Paragraph], after: Sequence[_Paragraph]) -> Iterator[_Marked]:
    for same, old, new in _matched(before, after):
        if same:
            yield from _marked(Change.SAME, _flat(new))
            continue
        for old_words, new_words in _opposed(old, new):
            yield from _by_words(old_words, new_words)


def _opposed(
    old: Sequence[_Paragraph], new: Sequence[_Paragraph]
) -> Iterator[tuple[Sequence[_Word], Sequence[_Word]]]:
    """Yield the words to compare: all at once, or if that is too much, paragraph by paragraph."""
    if len(old) == len(new) and not _affordable(_flat(old), _flat(new)):
        yield from zip(old, new, strict=True)
    else:
        yield _flat(old), _flat(new)


def _by_words(before: Sequence[_Word], after: Sequence[_Word]) -> Iterator[_Marked]:
    for same, old, new in _matched(before, after):
        if same:
            yield from _marked(Change.SAME, new)
        else:
            yield from _marked(Change.REMOVED, old)
            yield from _marked(Change.ADDED, new)


def _matched(before: Sequence[T], after: Sequence[T]) -> Iterator[tuple[bool, list[T], list[T]]]:
    """Yield what both have in common and, between, what stands against each other; in order."""
    start = _in_common(before, after)
    end = _in_common(before[start:][::-1], after[start:][::-1])
    old, new = list(before[start : len(before) - end]), list(after[start : len(after) - end])
    yield True, list(before[:start]), list(after[:start])
    if _affordable(old, new):
        for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield tag == "equal", old[a:b], new[c:d]
    else:
        yield False, old, new
    yield True, list(before[len(before) - end :]), list(after[len(after) - end :])


def _in_common(before: Sequence[T], after: Sequence[T]) -> int:
    """Return how many of the first ones are the same."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((n for n, (old, new) in pairs if old != new), min(len(before), len(after)))


def _affordable(before: Sequence[T], after: Sequence[T]) -> bool:
    there = Counter(after)
    return sum(there[one] for one in before) <= MOST_COMPARISONS


def _flat(paragraphs: Iterable[_Paragraph]) -> list[_Word]:
    return [word for paragraph in paragraphs for word in paragraph]


def _marked(change: Change, words: Iterable[_Word]) -> Iterator[_Marked]:
    return ((change, word) for word in words)


def _pieces(change: Change, words: list[_Word], *, first: bool, last: bool) -> Iterator[Piece]:
    """Yield the words as one piece; far from any change, only how many they are."""
    head, tail = 0 if first else CONTEXT, 0 if last else CONTEXT
    if change is not Change.SAME or len(words) <= head + tail + CONTEXT:
        yield _piece(change, words)
        return
    if head:
        yield _piece(change, words[:head])
    yield Piece(Change.SKIPPED, "", len(words) - head - tail)
    if tail:
        yield _piece(change, words[-tail:])


def _piece(change: Change, words: list[_Word]) -> Piece:
    text = "".join(word.word + word.then for word in words[:-1]) + words[-1].word
    return Piece(change, text, len(words), words[-1].then)
