"""Choosing among the languages that are there (BCP 47; RFC 4647 section 3.4, "lookup")."""

from collections.abc import Collection
from typing import Final

FALLBACK: Final = "en"


def best_locale(wanted: str | None, available: Collection[str]) -> str | None:
    """Return the available locale to show to somebody who reads `wanted`, or None if none fits.

    First the tag itself, then with its last parts taken off (de-AT, de), then any other region of
    the same language (pt finds pt-BR). Case does not matter. The same question always gets the
    same answer.
    """
    if not wanted:
        return None
    by_lower = {locale.lower(): locale for locale in sorted(available, reverse=True)}
    parts = wanted.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        found = by_lower.get("-".join(parts[:length]))
        if found is not None:
            return found
    relatives = (locale for locale in by_lower if locale.split("-")[0] == parts[0])
    return by_lower.get(min(relatives, default=""))


def some_locale(wanted: str | None, available: Collection[str]) -> str:
    """Return the best locale, else English, else the first: words are never left out.

    `available` must not be empty.
    """
    best = best_locale(wanted, available) or best_locale(FALLBACK, available)
    return best or min(available)
