"""What an e-mail about a notice says: its subject, its plain text and its HTML, from templates.

`templates/words/<language>.j2` has the sentences of one language, a block each; translators edit
these alone. `templates/letter.txt.j2` and `letter.html.j2` put them in place, the same for all
languages. Sentences are plain text and are escaped where HTML takes them in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final

from babel.dates import format_date, format_datetime, format_timedelta
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.domain.instant import DAY, SECOND, Duration, Instant, to_datetime
from service.notices.channels.channel import Addressee, Message, plain
from service.notices.channels.locales import FALLBACK, best_locale, some_locale

LANGUAGES: Final = ("de", "en", "es", "fr", "pt")

_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Platform:
    """Who speaks: the platform's name, and the settings page to point to, if there is one."""

    name: str
    settings_link: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail's words. `language` is that of the sentences; the terms may be in another."""

    language: str
    subject: str
    text: str
    html: str


class EmailWords:
    """Puts notices into words. Templates are read once and never from what a stranger wrote."""

    def __init__(self, platform: Platform) -> None:
        """Load every language at once, so that a broken template stops the start, not a letter."""
        self._platform = platform
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._words = {
            language: self._templates.get_template(f"words/{language}.j2") for language in LANGUAGES
        }
        self._text = self._templates.get_template("letter.txt.j2")
        self._html = self._templates.get_template("letter.html.j2")

    def write(self, message: Message, addressee: Addressee) -> Letter:
        """Write one artist's letter, in their language where we have it, else in the terms' own.

        The terms are never translated here: they are one of the published texts, byte for byte,
        with the hash that the ledger has of it.
        """
        terms_locale = some_locale(addressee.locale, message.texts)
        language = (
            best_locale(addressee.locale, LANGUAGES)
            or best_locale(terms_locale, LANGUAGES)
            or FALLBACK
        )
        facts = self._facts(message, addressee, language)
        words = self._words[language]
        sentences = {
            name: " ".join("".join(block(words.new_context(facts))).split())
            for name, block in words.blocks.items()
        }
        terms = message.texts[terms_locale]
        context = {
            **facts,
            "language": language,
            "say": sentences,
            "terms": terms.words,
            "terms_locale": terms_locale,
            "terms_sha256": terms.sha256,
        }
        return Letter(
            language, sentences["subject"], self._text.render(context), self._html.render(context)
        )

    def _facts(self, message: Message, addressee: Addressee, language: str) -> dict[str, Any]:
        return {
            "platform": plain(self._platform.name),
            "settings_link": self._platform.settings_link,
            "opt_out_link": addressee.opt_out_link,
            "name": plain(_name(message.names, addressee.locale, language) or message.use),
            "use": message.use,
            "version": message.version,
            "reminder": message.reminder,
            "recipients": _recipients(message.recipients, self._platform.name),
            "window": _length(message.window, language),
            "closes_on": _day(addressee.closes_at, language),
            "closes_at": _moment(addressee.closes_at, language),
        }


def _name(names: Mapping[str, str], locale: str | None, language: str) -> str | None:
    if not names:
        return None
    return names[best_locale(locale, names) or some_locale(language, names)]


def _recipients(recipients: tuple[str, ...], platform: str) -> list[str]:
    """Name who would use it: the platform itself, and partners without their `partner:`."""
    return [
        plain(platform if recipient == "internal" else recipient.partition(":")[2])
        for recipient in recipients
    ]


def _length(window: Duration, language: str) -> str:
    """Write a window exactly, in the largest unit in which it is whole: 30 days, not a month."""
    hour, minute = 3_600 * SECOND, 60 * SECOND
    delta = timedelta(microseconds=window)
    never = 1e12  # no number is too large for its unit
    if window % DAY == 0:
        return format_timedelta(delta, "day", threshold=never, locale=language)
    if window % hour == 0:
        return format_timedelta(delta, "hour", threshold=never, locale=language)
    if window % minute == 0:
        return format_timedelta(delta, "minute", threshold=never, locale=language)
    return format_timedelta(delta, "second", threshold=never, locale=language)


def _day(instant: Instant | None, language: str) -> str | None:
    if instant is None:
        return None
    return format_date(to_datetime(instant).date(), "long", locale=language)


def _moment(instant: Instant | None, language: str) -> str | None:
    if instant is None:
        return None
    return format_datetime(to_datetime(instant), "long", tzinfo=UTC, locale=language)
