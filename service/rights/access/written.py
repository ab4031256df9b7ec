"""Writing the access file, as JSON-LD or as a page to read and print; neither is held in memory.

The page has its words from `templates/words/<language>.j2`, one line a sentence; translators edit
these alone. It loads nothing from anywhere.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.notices.channels.locales import some_locale
from service.rights.access.gather import AccessFile

LANGUAGES: Final = ("de", "en", "es", "fr", "pt")
_TEMPLATES: Final = Path(__file__).parent / "templates"
_TIME_TO_THE_MINUTE: Final = 16


class Into(Protocol):
    """Where a file is written to."""

    def write(self, some: bytes, /) -> object:
        """Take the next bytes."""


async def write_json(file: AccessFile, into: Into) -> None:
    """Write it as one JSON-LD document."""
    into.write(msgspec.json.encode(file.head)[:-1])
    for name, part in file.parts().items():
        into.write(f',"{name}":'.encode())
        if isinstance(part, AsyncIterator):
            await _write_list(part, into)
        else:
            into.write(msgspec.json.encode(part))
    into.write(b"}")


async def _write_list(rows: AsyncIterator[Any], into: Into) -> None:
    between = b"["
    async for row in rows:
        into.write(between + msgspec.json.encode(row))
        between = b","
    into.write(b"]" if between == b"," else b"[]")


async def write_page(file: AccessFile, into: Into, language: str | None) -> None:
    """Write it as one HTML page, in a language of ours: the wanted one, else the artist's own."""
    code = some_locale(language or file.locale, LANGUAGES)
    pages = _environment()
    words = pages.get_template(f"words/{code}.j2")
    page = pages.get_template("record.html.j2")
    context = {"file": file, "head": file.head, "words": await words.make_module_async()}
    async for piece in page.generate_async(context, language=code):
        into.write(piece.encode())


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        enable_async=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    return environment


def _time(instant: str | None) -> str:
    """Write an instant as people read it, in UTC to the minute."""
    if instant is None:
        return ""
    return f"{instant[:_TIME_TO_THE_MINUTE].replace('T', ' ')} UTC"
