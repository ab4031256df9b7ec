"""When two spellings are one artist."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.mojibake import repaired
from service.catalog.sources.names import artist_id, clean, identity, named
from service.catalog.sources.track import ID_LIMIT

NAMES = st.text(min_size=1, max_size=80).filter(lambda text: bool(clean(text)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Byron", "ADA BYRON"),
        ("Ada Byron", "  Ada \t Byron\n"),
        ("Ada\u00a0Byron", "Ada Byron"),
        ("Zoë", "Zoe\u0308"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_case_spacing_and_composition_do_not_make_another_artist(one: str, other: str) -> None:
    """Names that people would not tell apart have one identifier."""
    assert artist_id(one) == artist_id(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë", "Zoe"),
        ("A.B.", "AB"),
        ("Ada-Byron", "Ada Byron"),
        ("しゅう", "シュウ"),
        ("Ада", "Ada"),
        ("!!!", "???"),
    ],
)
def test_whatever_else_differs_makes_another_artist(one: str, other: str) -> None:
    """The readable part may be equal; the digest is not."""
    assert artist_id(one) != artist_id(other)


def test_an_identifier_never_changes() -> None:
    """Stored identifiers depend on these exact values: they are for ever."""
    assert artist_id("Ada Byron") == "ada-byron-xjdz25wn47rf4mez"
    assert artist_id("しゅうさえこ") == "c32jogf52c54b7dr"


def test_a_name_is_shown_as_it_was_first_written() -> None:
    """Only space and composition are put right for showing; case is the artist's own."""
    assert named("  deadMAU  5 ").name == "deadMAU 5"


@pytest.mark.parametrize("nothing", ["", " \t", "\x00\x1f"])
def test_nothing_is_no_name(nothing: str) -> None:
    """An identifier for nobody would be everybody's."""
    with pytest.raises(ValueError, match="give a name"):
        artist_id(nothing)


@given(NAMES)
def test_every_identifier_is_short_and_plain(name: str) -> None:
    """In any script it can stand in an address, a log line and a CSV field."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", artist_id(name))
    assert len(artist_id(name)) <= ID_LIMIT


@given(NAMES, NAMES)
def test_identifiers_are_equal_exactly_when_identities_are(one: str, other: str) -> None:
    """Neither does the readable part split an artist, nor the digest join two."""
    assert (artist_id(one) == artist_id(other)) == (identity(one) == identity(other))


@given(NAMES)
def test_canonically_equivalent_spellings_are_one_artist(name: str) -> None:
    """NFC and NFD of a name are the same name, whatever the case folding does to it."""
    assert identity(unicodedata.normalize("NFC", name)) == identity(
        unicodedata.normalize("NFD", name)
    )


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("BjÃ¶rn", "Björn"),
        ("KovaÄ\x8d", "Kovač"),
        ("Â¡Hola!", "¡Hola!"),
        ("Ð\x90Ð½Ð½Ð°", "Анна"),
    ],
)
def test_a_misread_name_is_put_right(broken: str, right: str) -> None:
    """UTF-8 that somebody read as Windows-1252, the five unused bytes included."""
    assert repaired(broken) == right


@pytest.mark.parametrize("text", ["Björn", "Ada Byron", "Ã la carte", "Анна", "Zoë Ã¶", "夢"])
def test_a_name_that_was_never_misread_stays(text: str) -> None:
    """Repair only touches what is broken from end to end."""
    assert repaired(text) == text


@given(st.text())
def test_whatever_was_misread_once_comes_back(text: str) -> None:
    """Repair undoes the damage for any text at all."""
    damaged = "".join(
        bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte)
        for byte in text.encode("utf-8")
    )
    assert repaired(damaged) == text
