"""What changed between two texts, word by word."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from service.web.typeset import Block, Kind, Run, typeset, unmarked
from service.web.word_diff import CONTEXT, Change, Piece, word_diff

_texts = st.lists(st.sampled_from(["a", "b", "c", "a.", "\n\n", "\n"]), max_size=40).map(" ".join)


def words_of(pieces: Sequence[Piece], *changes: Change) -> list[str]:
    """Return the words of the pieces of these kinds, in order."""
    return [word for piece in pieces if piece.change in changes for word in piece.text.split()]


def written(pieces: Sequence[Piece], *changes: Change) -> str:
    """Return the pieces of these kinds as they are set, without the end of the text."""
    kept = [piece.text + piece.then for piece in pieces if piece.change in changes]
    return "".join(kept).rstrip()


def test_the_same_words_have_no_differences_however_they_are_spaced() -> None:
    """Line breaks say nothing; a new paragraph is no new word."""
    assert word_diff("one two three", "one  two\n\nthree\n") == ()


def test_a_changed_word_is_removed_and_added_where_it_stands() -> None:
    """And what is around it stays."""
    assert word_diff("used by us alone", "used by partners alone") == (
        Piece(Change.SAME, "used by", 2),
        Piece(Change.REMOVED, "us", 1),
        Piece(Change.ADDED, "partners", 1),
        Piece(Change.SAME, "alone", 1, "\n\n"),
    )


def test_a_changed_end_of_a_paragraph_ends_it_once() -> None:
    """The words that take the place of others stand in the same paragraph as they did."""
    pieces = word_diff("only us.\n\nMore.", "only them.\n\nMore.")
    assert [(piece.text, piece.then) for piece in pieces] == [
        ("only", " "),
        ("us.", " "),
        ("them.", "\n\n"),
        ("More.", "\n\n"),
    ]


def test_items_of_a_list_keep_their_lines() -> None:
    """Also where one is added, or takes the place of another."""
    before = "- Nothing goes to a company.\n- Nothing is kept.\n\nThat is all."
    after = "- Nothing goes to a partner.\n- Nothing is sold.\n- Nothing is kept.\n\nThat is all."
    pieces = word_diff(before, after)
    assert written(pieces, Change.SAME, Change.ADDED) == after
    assert [(piece.text, piece.then) for piece in pieces][1:3] == [
        ("company.", " "),
        ("partner.\n- Nothing is sold.", "\n"),
    ]


@given(_texts, _texts)
def test_both_texts_can_be_read_from_the_differences(before: str, after: str) -> None:
    """Without what was added it is the text before, without what was removed the text after."""
    pieces = word_diff(before, after)
    if pieces and Change.SKIPPED not in {piece.change for piece in pieces}:
        assert words_of(pieces, Change.SAME, Change.REMOVED) == before.split()
        assert words_of(pieces, Change.SAME, Change.ADDED) == after.split()
    elif not pieces:
        assert before.split() == after.split()


def test_long_stretches_without_a_change_are_counted_instead_of_shown() -> None:
    """Some words stay on either side of a change, for what they are about."""
    same = [f"w{number}" for number in range(500)]
    pieces = word_diff(" ".join(["old", *same]), " ".join(["new", *same]))
    assert [(piece.change, piece.words) for piece in pieces] == [
        (Change.REMOVED, 1),
        (Change.ADDED, 1),
        (Change.SAME, CONTEXT),
        (Change.SKIPPED, 500 - CONTEXT),
    ]


def test_the_longest_texts_are_compared_whatever_they_repeat() -> None:
    """200,000 characters of one word would keep difflib busy for hours.

    Here they are shown as replaced as a whole.
    """
    before, after = "la " * 66_000, "oh " + "la ti " * 33_000
    pieces = word_diff(before, after)
    assert words_of(pieces, Change.SAME, Change.REMOVED) == before.split()
    assert words_of(pieces, Change.SAME, Change.ADDED) == after.split()


def test_terms_are_set_with_headings_lists_and_emphasis() -> None:
    """As people write them in Markdown; lines are joined, and nothing is left out."""
    assert typeset("# Terms\n\n**What.** One\nthing.\n\n- a\n- b <i>c</i>\n") == (
        Block(Kind.HEADING, ((Run("Terms", strong=False),),)),
        Block(
            Kind.PARAGRAPH,
            ((Run("What.", strong=True), Run(" One thing.", strong=False)),),
        ),
        Block(Kind.LIST, ((Run("a", strong=False),), (Run("b <i>c</i>", strong=False),))),
    )


def test_marks_are_no_words() -> None:
    """So that a comparison shows the words as people read them."""
    assert unmarked("# Terms\n\n**What.** 2 ** 3 ** 4") == "Terms\n\nWhat. 2 ** 3 ** 4"
