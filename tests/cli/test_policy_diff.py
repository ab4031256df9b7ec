"""The difference of two texts, as a person reads it."""

from service.cli.policy_diff import text_diff


def shown(before: str, after: str) -> list[str]:
    """Return the lines, without their colours."""
    return [line.plain for line in text_diff(before, after)]


def test_changed_lines_stand_among_their_neighbours() -> None:
    """One line of context; what lies between two places is left out."""
    before = "".join(f"{n}\n" for n in range(10))
    after = before.replace("2\n", "two\n").replace("8\n", "")

    assert shown(before, after) == [
        "  1",
        "- 2",
        "+ two",
        "  3",
        "…",
        "  7",
        "- 8",
        "  9",
    ]


def test_words_that_differ_stand_out() -> None:
    """In a changed line only the changed words are shown strongly."""
    removed, added = text_diff("We hear your tracks.\n", "We hear all your tracks.\n")

    assert [
        added.plain[span.start : span.end] for span in added.spans if "reverse" in str(span.style)
    ] == ["all", " "]
    assert not [span for span in removed.spans if "reverse" in str(span.style)]


def test_a_new_text_is_shown_in_full() -> None:
    """Empty lines included."""
    assert shown("", "# New\n\nWords.\n") == ["+ # New", "+ ", "+ Words."]


def test_ends_and_spaces_count() -> None:
    """What cannot be seen is still a difference."""
    assert shown("end\n", "end") == ["- end", "+ end (without a line end)"]
    assert shown("end\n", "end\n\n") == ["  end", "+ "]
    assert shown("a b\n", "a  b\n") == ["- a b", "+ a  b"]


def test_the_same_text_has_no_difference() -> None:
    """Nothing is shown for nothing."""
    assert shown("same\n", "same\n") == []
