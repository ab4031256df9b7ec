"""Uses are a tree of dotted paths; recipients are `internal` or somebody with a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.uses import (
    LONGEST_PATH,
    ROOT,
    above,
    covers,
    is_node,
    is_path,
    is_recipient,
    leaf_conflict,
)

_segments = st.from_regex(r"[a-z][a-z0-9_-]{0,3}", fullmatch=True)
_paths = st.lists(_segments, min_size=1, max_size=4).map(".".join)
_nodes = _paths | st.just(ROOT)


def lineage(use: str) -> tuple[str, ...]:
    """Return the use itself and all its ancestors: the other way to say what covers what."""
    if use == ROOT:
        return (ROOT,)
    parts = use.split(".")
    return (*(".".join(parts[:n]) for n in range(len(parts), 0, -1)), ROOT)


@pytest.mark.parametrize("text", ["discovery", "training.generative.music", "a", "a-b_c1", "a.b2"])
def test_a_dotted_path_names_a_use(text: str) -> None:
    """Lower-case segments, joined by dots; every use is a node too."""
    assert is_path(text)
    assert is_node(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "A", "1a", "a.1", "_a", "a b", "a/b", "ä", "a\n", "a.*"]
)
def test_anything_else_names_none(text: str) -> None:
    """Neither capitals, nor empty segments, nor other letters, nor a star inside a path."""
    assert not is_path(text)
    assert not is_node(text)


def test_the_root_is_a_node_but_no_use() -> None:
    """`*` groups everything and carries no policy."""
    assert is_node(ROOT)
    assert not is_path(ROOT)


def test_a_path_has_a_longest_length() -> None:
    """200 characters and no more."""
    assert is_path("a" * LONGEST_PATH)
    assert not is_path("a" * (LONGEST_PATH + 1))


@pytest.mark.parametrize("text", ["internal", "partner:musiio", "partner:ace-studio", "lab:a:b"])
def test_a_recipient_is_internal_or_has_a_type_and_an_id(text: str) -> None:
    """What stands after the first colon is the platform's own business."""
    assert is_recipient(text)


@pytest.mark.parametrize(
    "text",
    ["", "musiio", "Internal", "internal:", "partner:", ":musiio", "partner: x", "partner:a b"],
)
def test_anything_else_is_no_recipient(text: str) -> None:
    """A bare name, an empty type or id, or blanks are refused."""
    assert not is_recipient(text)


@pytest.mark.parametrize("text", ["partner::x", "internal\n", f"a:{'x' * LONGEST_PATH}"])
def test_a_recipient_in_a_strange_shape_is_none(text: str) -> None:
    """Neither a colon too many, nor a line break, nor more than 200 characters."""
    assert not is_recipient(text)


def test_the_lineage_goes_from_the_use_to_the_root() -> None:
    """Nearest first, and the root's own is just the root."""
    assert lineage("training.generative.music") == (
        "training.generative.music",
        "training.generative",
        "training",
        "*",
    )
    assert lineage("discovery") == ("discovery", "*")
    assert lineage(ROOT) == (ROOT,)


@given(_nodes, _nodes)
def test_a_node_covers_what_has_it_in_its_lineage(node: str, use: str) -> None:
    """Covering and lineage are one relation seen from both ends."""
    assert covers(node, use) == (node in lineage(use))


def test_a_name_that_merely_begins_alike_is_not_covered() -> None:
    """`training` says nothing about `training_data`, nor a use about its group."""
    assert covers("training", "training.music")
    assert not covers("training", "training_data")
    assert not covers("training", "trainingmusic.a")
    assert not covers("training.music", "training")
    assert not covers("discovery", ROOT)


def test_a_leaf_conflicts_with_what_lies_above_or_beneath_it() -> None:
    """Leaves carry policies and inner nodes group them: nothing is both."""
    leaves = ["training.music", "discovery"]
    assert leaf_conflict("training", leaves) == "training.music"
    assert leaf_conflict("training.music.vocals", leaves) == "training.music"
    assert leaf_conflict("training.music", leaves) is None
    assert leaf_conflict("training.video", leaves) is None
    assert leaf_conflict("training.music_videos", leaves) is None
    assert leaf_conflict("anything", []) is None


@given(_paths, st.lists(_paths, max_size=6))
def test_a_use_without_conflict_is_on_no_other_leafs_lineage(use: str, leaves: list[str]) -> None:
    """Whoever is named as the conflict is one, and where nobody is named there is none."""
    conflict = leaf_conflict(use, leaves)
    conflicting = {
        leaf for leaf in leaves if leaf != use and (leaf in lineage(use) or use in lineage(leaf))
    }
    assert conflict in conflicting if conflicting else conflict is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join))
def test_above_a_use_is_every_node_that_covers_it(use: str) -> None:
    """And nothing else."""
    others = {"a", "b", "a.b", "a.b.c", "a.a", "c.a", "ab", f"{use}.d", use, ROOT}
    assert others & set(above(use)) == {node for node in others if covers(node, use)}
