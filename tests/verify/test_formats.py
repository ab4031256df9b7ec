"""Keys, notes, proofs and spellings, read anew: held against the writer's and against others'."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.merkle import leaf_hash
from service.transparency.keys import KeyType, SigningKey
from service.verify.leaf import instant, period, read_leaf
from service.verify.notes import Unreadable, read_claim, read_key, read_line, read_note, signers
from service.verify.paths import bundle_path, split, tile_path
from service.verify.tree import Tree, includes, is_prefix
from tests.domain.test_proofs import LEAVES, consistency_by_definition, inclusion_by_definition
from tests.ledger.naive_tree import perfect_subtrees, tree_head

KEY: Final = SigningKey("log.example/log", bytes(range(32)))
TEXT: Final = "log.example/log\n7\n" + "A" * 43 + "=\n"
NOTE: Final = f"{TEXT}\n{KEY.sign(TEXT).line()}"
SIZES: Final = st.integers(1, 130)


def test_keys_are_read_as_they_are_printed() -> None:
    """Of logs and of witnesses; and every character of them counts."""
    for type_ in KeyType:
        text = str(KEY.verifier(type_))
        assert str(read_key(f" {text}\n")) == text
    for wrong in (text.replace("log.", "lag."), text[:-2], "", "a+b", text.replace("+", "-")):
        with pytest.raises(Unreadable):
            read_key(wrong)


def test_another_implementation_knows_the_same_keys() -> None:
    """`tlog-scales` verifies with the key as ours reads it."""
    notes = pytest.importorskip("tlog_scales.signing")
    tlog = pytest.importorskip("tlog_scales.tlog")
    vkey = notes.Vkey.from_string(str(read_key(str(KEY.verifier()))))
    tlog.Checkpoint.from_text(NOTE).verify(vkey)


def test_a_signature_is_of_its_text_and_by_its_key() -> None:
    """Lines of unknown keys are passed over; a wrong one of a known key spoils the note."""
    key = read_key(str(KEY.verifier()))
    other = read_key(str(SigningKey(KEY.name, bytes(32)).verifier()))
    assert signers(read_note(NOTE), [key]) == (key,)
    assert signers(read_note(NOTE), [other]) == ()
    with pytest.raises(Unreadable, match="not of this text"):
        signers(read_note(NOTE.replace("\n7\n", "\n8\n")), [key])


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        TEXT,
        TEXT + "\n",
        NOTE.removesuffix("\n"),
        NOTE.replace("—", "-"),
        NOTE + "\n",
        NOTE.replace("\n7", "\r\n7"),
        NOTE + KEY.sign(TEXT).line() * 100,
    ],
)
def test_what_is_no_note(wrong: str) -> None:
    """It is refused whole."""
    with pytest.raises(Unreadable):
        read_note(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        TEXT + "extension\n",
        TEXT.replace("\n7\n", "\n07\n"),
        TEXT.replace("\n7\n", "\n-7\n"),
        TEXT.replace("AAA=", "AA=="),
        TEXT.removeprefix("log.example/log"),
    ],
)
def test_what_is_no_checkpoint(wrong: str) -> None:
    """Origin, size and root, each in its one spelling, and nothing else."""
    assert read_claim(TEXT).size == 7
    with pytest.raises(Unreadable):
        read_claim(wrong)
    with pytest.raises(Unreadable):
        read_line("— name AAAA")


@given(SIZES, st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    """A proof by the definition holds, of that leaf at that place in that tree alone."""
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_by_definition(index, LEAVES[:size])
    root, leaf = tree_head(LEAVES[:size]), leaf_hash(LEAVES[index])
    assert includes(leaf, index, size, path, root)
    assert not includes(leaf_hash(b""), index, size, path, root)
    assert not includes(leaf, size, size, path, root)
    assert not includes(leaf, index, size, [*path, bytes(32)], root)
    if path:
        assert not includes(leaf, index, size, path[:-1], root)
        assert not includes(leaf, index ^ 1, size, path, root)


@given(SIZES, st.data())
def test_consistency(newer: int, data: st.DataObject) -> None:
    """A proof by the definition holds, between those two trees alone."""
    older = data.draw(st.integers(1, newer))
    path = consistency_by_definition(older, LEAVES[:newer], whole=True)
    old, new = tree_head(LEAVES[:older]), tree_head(LEAVES[:newer])
    assert is_prefix(older, newer, path, old, new)
    assert not is_prefix(older, newer, path, old, bytes(32))
    assert not is_prefix(older, newer, path, bytes(32), new)
    assert not is_prefix(older, newer, [*path, bytes(32)], old, new)


@given(st.integers(0, 600))
def test_a_tree_that_grows(size: int) -> None:
    """Root, edge and the roots of full tiles are those of the definition, however it has grown."""
    tree = Tree()
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    tree.extend(hashes[: size // 3])
    tree.extend(hashes[size // 3 :])
    assert tree.root() == tree_head(LEAVES[:size])
    assert tree.edge() == b"".join(perfect_subtrees(LEAVES[:size]))
    full = [tree_head(LEAVES[256 * n : 256 * (n + 1)]) for n in range(size // 256)]
    assert (tree.tile_roots or [[]])[0] == full


@given(st.integers(0, 200), st.data())
def test_where_an_edge_differs(changed: int, data: st.DataObject) -> None:
    """The span that is named has the changed leaf in it."""
    size = data.draw(st.integers(changed + 1, 300))
    tree, other = Tree(), Tree()
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    tree.extend(hashes)
    other.extend([*hashes[:changed], bytes(32), *hashes[changed + 1 :]])
    first, last = tree.unlike(other.edge())
    assert first <= changed < last <= size


def test_paths_are_those_of_the_specification() -> None:
    """C2SP tlog-tiles: groups of three digits, and a width unless it is full."""
    assert tile_path(0, 1_234_067, 256) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert bundle_path(999, 256) == "tile/entries/999"
    assert bundle_path(1_000, 8) == "tile/entries/x001/000.p/8"


def test_a_bundle_that_ends_too_early() -> None:
    """What is left of an entry is none."""
    assert list(split(b"\x00\x01a\x00\x00\x00\x02b")) == [b"a", b""]


LEAF: Final = b'{"at":"2026-01-01T00:00:00.000000Z","nonce":"' + b"0" * 32 + b'","type":"%s","v":1}'


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        LEAF % b"nobody.knows",
        (LEAF % b"use.named").replace(b":1}", b":2}"),
        (LEAF % b"use.named").replace(b'"v"', b' "v"'),
        (LEAF % b"use.named").replace(b'"v":1', b'"v":1,"v":1'),
        (LEAF % b"use.named").replace(b'{"at"', b'{"z":0,"at"'),
        (LEAF % b"use.named").replace(b"0" * 32, b"0" * 31),
        b'{"a":"' + b"x" * 65_535 + b'"}',
    ],
)
def test_what_is_no_entry(wrong: bytes) -> None:
    """Two readers could read two things in what has two spellings: it is refused."""
    assert read_leaf(LEAF % b"use.named")["v"] == 1
    with pytest.raises(ValueError, match="it"):
        read_leaf(wrong)


def test_times() -> None:
    """As the ledger writes them, and in no other way."""
    assert instant("1970-01-01T00:00:01.000002Z") == 1_000_002
    assert period("P1W2DT3H4M5S") == ((9 * 24 + 3) * 3600 + 245) * 1_000_000
    for wrong in ("1970-01-01T00:00:01Z", "1970-01-01 00:00:01.000000Z", None, 5):
        with pytest.raises(ValueError, match="no time"):
            instant(wrong)
    with pytest.raises(ValueError, match="no length"):
        period("P1M1Y")
