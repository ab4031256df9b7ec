"""What letters say: complete in every language, and exact about times."""

import re

import pytest
from jinja2 import UndefinedError

from service.domain.instant import DAY, SECOND
from service.notices.channels.email_words import LANGUAGES, EmailWords, Platform
from tests.notices.channels.telling import NOW, artist, message

WORDS = EmailWords(Platform("Example Sounds", "https://sounds.example/settings"))


def blocks(language: str) -> set[str]:
    """The sentences that a language has."""
    return set(WORDS._words[language].blocks)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence(language: str) -> None:
    """A translation that lacks one would break a letter, not the start."""
    assert blocks(language) == blocks("en")
    assert len(blocks("en")) == 14


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reminder", [0, 1])
@pytest.mark.parametrize("link", [None, "https://fermata.example/no/x"])
@pytest.mark.parametrize("closes_at", [None, NOW + DAY])
def test_every_letter_can_be_written(
    language: str, reminder: int, link: str | None, closes_at: int | None
) -> None:
    """With and without link and deadline: no gap, no template's syntax, a subject of one line."""
    whom = artist(1, locale=language, opt_out_link=link, closes_at=closes_at)

    letter = WORDS.write(message(reminder=reminder), whom)

    for part in (letter.subject, letter.text, letter.html):
        assert not re.search(r"\{\{|\}\}|\{%|None|\bundefined\b", part)
    assert "\n" not in letter.subject
    assert letter.language == language


def test_no_sentence_asks_for_a_yes() -> None:
    """The letter's only button is the no; yes needs the settings page, where both are equal."""
    html = WORDS.write(message(), artist(1)).html

    assert re.findall(r'<a href="([^"]*)"', html) == [
        "https://fermata.example/no/token1",
        "https://sounds.example/settings",
    ]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (30 * DAY, "30 days"),
        (365 * DAY, "365 days"),
        (DAY, "1 day"),
        (36 * 3_600 * SECOND, "36 hours"),
        (90 * 60 * SECOND, "90 minutes"),
        (90 * SECOND, "90 seconds"),
    ],
)
def test_a_window_is_never_rounded(window: int, said: str) -> None:
    """30 days are not "a month", and 36 hours are not "2 days"."""
    assert f"{said} from the arrival" in WORDS.write(message(window=window), artist(1)).text


def test_a_use_without_a_name_goes_by_its_path() -> None:
    """There is always something to call it."""
    assert "training.generative.music" in WORDS.write(message(names={}), artist(1)).subject


def test_recipients_are_named_as_people_know_them() -> None:
    """The platform by its own name, a partner without the word for what it is."""
    text = WORDS.write(message(), artist(1)).text

    assert "  Example Sounds\n  tuney\n" in text


def test_a_template_without_its_facts_does_not_guess() -> None:
    """A name that nobody gave is an error while testing, not a blank in a letter."""
    with pytest.raises(UndefinedError):
        WORDS._text.render({})
