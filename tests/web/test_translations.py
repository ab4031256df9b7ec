"""Every sentence of every page is there in every language."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from service.domain.instant import DAY, SECOND
from service.web.i18n import OWN_NAMES, language_of, languages

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "service/web/locales"
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
MARKUP = re.compile(r"[<>]|&\w+;")

_Key = tuple[str | None, str | tuple[str, ...]]


@cache
def sentences() -> frozenset[_Key]:
    """Return what the templates say, found as `make messages` finds it."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call] # Babel's
    found = extract_from_dir(ROOT, method_map=methods, options_map=options)
    return frozenset((context, message) for _, _, message, _, context in found)


def catalogue(code: str) -> Catalog:
    """Return a language's catalogue."""
    with (LOCALES / code / "LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale=code, abort_invalid=True)


def messages(code: str) -> Iterator[Message]:
    """Return its sentences."""
    return (message for message in catalogue(code) if message.id)


def forms(message: Message) -> tuple[str, ...]:
    """Return a message's translations: one, or one for each form of the plural."""
    string: Any = message.string
    return string if isinstance(string, tuple) else (string,)


def key(message: Message) -> _Key:
    """Return what tells a message from others."""
    identifier: Any = message.id
    return message.context, identifier


@pytest.mark.parametrize("code", OWN_NAMES)
def test_every_sentence_is_translated(code: str) -> None:
    """With all its plural forms, and none of them a guess; `make messages` brings in new ones."""
    known = {key(message): message for message in messages(code)}
    assert sentences() - known.keys() == set()
    missing = [one.id for one in known.values() if not all(map(str.strip, forms(one)))]
    assert missing == []
    assert [one.id for one in known.values() if one.fuzzy] == []


@pytest.mark.parametrize("code", OWN_NAMES)
def test_nothing_is_translated_that_nobody_says(code: str) -> None:
    """What has left the pages leaves the catalogue with `make messages`."""
    assert {key(message) for message in messages(code)} - sentences() == set()


@pytest.mark.parametrize("code", OWN_NAMES)
def test_translations_keep_what_is_filled_in(code: str) -> None:
    """Each form names what its sentence names. A singular may say one in words."""
    for message in messages(code):
        _, identifier = key(message)
        ids = identifier if isinstance(identifier, tuple) else (identifier,)
        wanted = [set(PLACEHOLDER.findall(one)) for one in ids]
        for form in forms(message):
            assert set(PLACEHOLDER.findall(form)) in wanted, (message.id, form)
        assert set(PLACEHOLDER.findall(forms(message)[-1])) == wanted[-1], message.id


@pytest.mark.parametrize("code", OWN_NAMES)
def test_translations_are_words_and_no_markup(code: str) -> None:
    """What a translator writes is put into the page as it is."""
    assert [form for one in messages(code) for form in forms(one) if MARKUP.search(form)] == []


def test_english_says_what_the_templates_say() -> None:
    """So a sentence is changed where it stands, and not hidden behind another."""
    assert [one.id for one in messages("en") if one.string != one.id] == []


def test_the_template_for_new_languages_is_up_to_date() -> None:
    """`make messages` writes it."""
    with (LOCALES / "messages.pot").open("rb") as file:
        assert {key(message) for message in read_po(file) if message.id} == sentences()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ((None, None, None), "en"),
        ((None, None, "tlh, pt-BR;q=0.8, de;q=0.9"), "de"),
        ((None, None, "de;q=0, fr-CH"), "fr"),
        ((None, None, "de;q=nonsense, ,;,es;q=0.1"), "es"),
        ((None, "pt", "de"), "pt"),
        (("fr", "pt", "de"), "fr"),
        (("klingon", "nonsense", "es"), "es"),
    ],
)
def test_the_language_is_that_of_the_link_or_chosen_or_asked_for(
    asked: tuple[Any, Any, Any], answered: str
) -> None:
    """In this order; English where nothing fits."""
    assert language_of(*asked).code == answered


def test_dates_lengths_and_numbers_are_written_as_the_language_does() -> None:
    """Windows in the largest unit in which they are whole; moments with their seconds, if any."""
    march = 1_772_323_200_000_000
    german, english = languages()["de"], languages()["en"]
    assert german.day(march) == "1. März 2026"
    assert german.moment(march + 61 * SECOND) == "1. März 2026, 00:01:01 UTC"
    assert english.moment(march) == "March 1, 2026, 00:00 UTC"
    assert [german.duration(length) for length in (30 * DAY, 36 * 3_600 * SECOND, SECOND)] == [
        "30 Tage",
        "36 Stunden",
        "1 Sekunde",
    ]
    assert german.number(12_345) == "12.345"
    assert languages()["es"].listing(["a", "b", "c"]) == "a, b y c"
