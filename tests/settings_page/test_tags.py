"""Entity tags are read as RFC 9110 writes them, and a state's tag stands for it alone."""

from dataclasses import replace

import pytest

from service.consents.entity_tags import EntityTag, entity_tags, is_known
from service.consents.precondition import ArtistState, Seen, SettingsState, seen_in


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"a"', [EntityTag("a")]),
        ('W/"a"', [EntityTag("a", weak=True)]),
        (' "a" ,  W/"b","" ', [EntityTag("a"), EntityTag("b", weak=True), EntityTag("")]),
        ('"a",,"b",', [EntityTag("a"), EntityTag("b")]),
        ('"a,b"', [EntityTag("a,b")]),
        ("", []),
        ("*", []),
        ("a", []),
        ('"a', []),
        ('w/"a"', []),
        ('"a" b', []),
        ('"a b"', []),
    ],
)
def test_a_list_of_tags_is_read_or_is_none(header: str, tags: list[EntityTag]) -> None:
    """Commas and blanks within and between tags; what is no list of tags holds none."""
    assert entity_tags(header) == tags
    assert entity_tags(", ".join(map(str, tags))) == tags


def test_what_is_known_is_compared_weakly() -> None:
    """To spare somebody an answer a weak tag is enough (RFC 9110 section 13.1.2)."""
    for known in ('"a"', 'W/"a"', '"b", "a"', "*", " * "):
        assert is_known(known, '"a"')
    for unknown in (None, "", '"b"', "a", '"a.b"'):
        assert not is_known(unknown, '"a"')


def test_only_strong_tags_say_what_was_seen() -> None:
    """Of each the part before the dot; nothing that is no tag says anything."""
    assert seen_in('"state.shown", W/"weak.x", "other"') == Seen(frozenset({"state", "other"}))
    assert seen_in('W/"weak.x"') == Seen(frozenset())
    for nothing in (None, "", "*", "state.shown"):
        assert seen_in(nothing) is None


def test_each_part_of_a_state_is_in_its_tag() -> None:
    """Whatever of it changes, the tag does; the order in which artists are named does not count."""
    ana, ben = ArtistState(1, 2, 3), ArtistState(4, 5, 6)
    state = SettingsState(7, 8, {"ana": ana, "ben": ben})
    assert SettingsState(7, 8, {"ben": ben, "ana": ana}).tag == state.tag
    others = [
        replace(state, published=9),
        replace(state, named=9),
        replace(state, artists={"ana": ana}),
        replace(state, artists={"ana": ben, "ben": ana}),
        replace(state, artists={"ana": replace(ana, said=9), "ben": ben}),
        replace(state, artists={"ana": replace(ana, told_at=9), "ben": ben}),
        replace(state, artists={"ana": replace(ana, delegated=9), "ben": ben}),
    ]
    assert len({state.tag, *(one.tag for one in others)}) == 1 + len(others)
