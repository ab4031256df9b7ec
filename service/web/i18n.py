"""The languages of the pages: their sentences, from catalogues, and their dates and numbers.

A catalogue is `locales/<language>/LC_MESSAGES/messages.po`, which translators edit; it is read as
it is, once for a process, with nothing to compile. Text is never put together from parts: a
sentence is one message.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from babel.dates import format_date, format_datetime, format_timedelta
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from service.domain.instant import DAY, SECOND, Duration, Instant, to_datetime
from service.notices.channels.locales import FALLBACK, best_locale, some_locale

OWN_NAMES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
}
"""Every language there is, in the order of the switch, by the name its readers know it under."""

COOKIE: Final = "fermata_language"
PARAMETER: Final = "lang"

_LOCALES: Final = Path(__file__).parent / "locales"
_UNITS: Final[Sequence[tuple[Literal["day", "hour", "minute", "second"], Duration]]] = (
    ("day", DAY),
    ("hour", 3_600 * SECOND),
    ("minute", 60 * SECOND),
    ("second", SECOND),
)
_NEVER: Final = 1e12  # no number is too large for its unit


class Language:
    """One language: what its catalogue says, and how it writes dates, lengths, numbers, lists."""

    def __init__(self, code: str, catalogue: Translations) -> None:
        """Take the language's code, one of `OWN_NAMES`, and its sentences."""
        self.code = code
        self.own_name = OWN_NAMES[code]
        self.gettext: Callable[[str], str] = catalogue.ugettext
        self.ngettext: Callable[[str, str, int], str] = catalogue.ungettext
        self.pgettext: Callable[[str, str], str] = catalogue.upgettext
        self.npgettext: Callable[[str, str, str, int], str] = catalogue.unpgettext

    def day(self, instant: Instant) -> str:
        """Write the day, in UTC: 1 March 2026."""
        return format_date(to_datetime(instant).date(), "long", locale=self.code)

    def moment(self, instant: Instant) -> str:
        """Write day, time and that it is UTC; seconds only where there are any."""
        moment = to_datetime(instant)
        form = "long" if moment.second else "short"
        time = format_datetime(moment, "HH:mm:ss" if form == "long" else "HH:mm", locale=self.code)
        return f"{self.day(instant)}, {time} UTC"

    def duration(self, duration: Duration) -> str:
        """Write a length exactly, in the largest unit in which it is whole: 30 days, no month."""
        delta = timedelta(microseconds=duration)
        unit = next((unit for unit, size in _UNITS if duration % size == 0), _UNITS[-1][0])
        return format_timedelta(delta, unit, threshold=_NEVER, locale=self.code)

    def number(self, number: int) -> str:
        """Write a number with the language's separators."""
        return format_decimal(number, locale=self.code)

    def listing(self, parts: Iterable[str]) -> str:
        """Write a list in words: a, b and c."""
        return format_list(list(parts), locale=self.code)

    def name_of(self, names: Mapping[str, str], otherwise: str) -> str:
        """Return the name to show of something that has one for each of some locales."""
        return names[some_locale(self.code, names)] if names else otherwise

    def locale_of(self, texts: Iterable[str]) -> str:
        """Return the locale of the words to show, of those there are: at least one."""
        return some_locale(self.code, list(texts))


@cache
def languages() -> Mapping[str, Language]:
    """Return every language, by its code. Raises where a catalogue cannot be read."""
    return {code: Language(code, _catalogue(code)) for code in OWN_NAMES}


def language_of(parameter: str | None, cookie: str | None, accept_language: str | None) -> Language:
    """Return the language to answer in, English where nothing that is asked for is there.

    What the link says goes before what was chosen earlier, and that before what the browser asks
    for (RFC 9110 section 12.5.4).
    """
    for wanted in (parameter, cookie, *_by_preference(accept_language or "")):
        code = best_locale(wanted, OWN_NAMES)
        if code is not None:
            return languages()[code]
    return languages()[FALLBACK]


def _by_preference(header: str) -> list[str]:
    """Return the tags of an Accept-Language header, the most wanted first, without refused ones."""
    ranked: list[tuple[float, int, str]] = []
    for part in header[:1_000].split(","):
        tag, _, weight = part.partition(";")
        quality = _quality(weight)
        if tag.strip() and quality > 0:
            ranked.append((-quality, len(ranked), tag.strip()))
    return [tag for _, _, tag in sorted(ranked)]


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _catalogue(code: str) -> Translations:
    path = _LOCALES / code / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
