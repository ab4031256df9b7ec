"""The place of an import survives its process, and is never taken for another's."""

from pathlib import Path

import pytest

from service.cli.bookmark import Bookmark


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    """Another process with the same import finds the place, and its name for the import."""
    path = tmp_path / "folder" / "place.json"
    first = Bookmark(path, "catalogue", "service")
    first.place.rows, first.place.digest, first.place.counts = 20, "abc", {"put": 19, "refused": 1}
    first.keep()

    assert Bookmark(path, "catalogue", "service").place == first.place
    assert list(path.parent.iterdir()) == [path]


def test_another_import_finds_nothing(tmp_path: Path) -> None:
    """Another catalogue or service begins at its first row, with a name of its own."""
    path = tmp_path / "place.json"
    first = Bookmark(path, "catalogue", "service")
    first.place.rows = 20
    first.keep()

    other = Bookmark(path, "catalogue", "other service").place

    assert other.rows == 0
    assert other.run != first.place.run


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 9}', b"\xff", b"null"])
def test_a_file_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """Everything can be repeated, so nothing is lost by beginning again."""
    path = tmp_path / "place.json"
    path.write_bytes(content)

    assert Bookmark(path, "catalogue").place.rows == 0


def test_every_import_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Unless told otherwise, the file lies in the state folder and is named after the import."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    one = Bookmark.default_path("catalogue", "service", environ=environ)
    other = Bookmark.default_path("catalogue", "other service", environ=environ)

    assert one != other
    assert one.parent == tmp_path / "fermata"


def test_a_removed_place_is_gone(tmp_path: Path) -> None:
    """A complete import leaves nothing behind, also where there was nothing."""
    bookmark = Bookmark(tmp_path / "place.json", "catalogue")
    bookmark.keep()
    bookmark.remove()
    bookmark.remove()

    assert not list(tmp_path.iterdir())
