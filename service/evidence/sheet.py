"""Documents as files: JSON for programs, and the same as one HTML page for people.

The page needs nothing beside it: no script, no font, no address. It can be printed, read by a
screen reader, by day and by night.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.domain.instant import DAY, parse_duration
from service.ledger.events import Json

_TEMPLATES: Final = Path(__file__).parent / "templates"
_NOTHING: Final = "–"  # noqa: RUF001 - a dash is what stands for nothing


def write_sheet(folder: Path, name: str, document: Json) -> list[Path]:
    """Write a document as `<name>.html` and `<name>.json`; return both.

    Equal documents make equal bytes.
    """
    page, data = folder / f"{name}.html", folder / f"{name}.json"
    template = _environment().get_template(f"{name}.html.j2")
    page.write_text(template.render(document), "utf-8")
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    data.write_bytes(encoded + b"\n")
    return [page, data]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = _shown
    environment.filters["words"] = _words
    environment.filters["period"] = _period
    return environment


def _shown(value: Any) -> str:
    """Return a value as people read it: numbers in groups of three, a dash for nothing."""
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _period(value: str) -> str:
    """Return a duration such as `P30D` in days, where it is whole days."""
    days, rest = divmod(parse_duration(value), DAY)
    if rest:
        return value
    return "1 day" if days == 1 else f"{days:,} days"


def _words(value: str | None) -> str:
    """Return a word of the service's, such as `window_closed`, as people read it."""
    return _NOTHING if value is None else value.replace("_", " ")
