"""Pages from templates. Each template has one documented context, a dataclass that names it.

    @dataclass(frozen=True, slots=True)
    class SignedOut:
        '''Says that the session has ended.'''

        template: ClassVar[str] = "signed_out.html.j2"
        way_back: str

    response = pages.response(SignedOut(way_back="/settings"), language, frame)

In the template stand the context's fields and `frame`, nothing else; a name that is neither is an
error. Everything is escaped. Sentences are `{% trans %}` blocks, which `pybabel` finds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import quote, urlencode

from babel import Locale, UnknownLocaleError
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.domain.instant import format_instant
from service.web.i18n import COOKIE, OWN_NAMES, PARAMETER, Language, language_of, languages

TEMPLATES: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"


class PageContext(Protocol):
    """What one template shows: a dataclass whose fields are the template's variables."""

    template: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page.

    `platform` is the name of the platform, empty before the charter is opened. `path` and `query`
    are where the page is, for the language switch to lead back to. `person` is who is signed in,
    and `csrf_token` what their forms have to carry; None for a page that everybody can see.
    `area` is the part of the site to mark as current: "settings", "policies" or "".
    """

    platform: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    person: str | None = None
    csrf_token: str | None = None
    area: str = ""

    def in_language(self, code: str) -> str:
        """Return the address of this page in another language."""
        return f"{quote(self.path)}?{urlencode({**self.query, PARAMETER: code})}"


class Pages:
    """Renders templates in every language. Made once; rendering reads no file again."""

    def __init__(self, folder: Path = TEMPLATES) -> None:
        """Take the folder of the templates."""
        self._environments = {
            code: _environment(folder, language) for code, language in languages().items()
        }

    def render(self, context: PageContext, language: Language, frame: Frame) -> str:
        """Return the page as HTML.

        Raises jinja2.UndefinedError where a template names what its context does not have.
        """
        template = self._environments[language.code].get_template(context.template)
        values = {one.name: getattr(context, one.name) for one in fields(context)}
        return template.render(values, frame=frame)

    def response(
        self,
        context: PageContext,
        language: Language,
        frame: Frame,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HTMLResponse:
        """Return the page as a response that says its language, and what that depends on."""
        headers = {"Content-Language": language.code, "Vary": "Accept-Language, Cookie"}
        return HTMLResponse(self.render(context, language, frame), status.value, headers)


def recipient_name(recipient: str, platform: str) -> str:
    """Return what to call who uses the music: the platform by its name, a partner by its own.

    Partners are known by their ids: `partner:audible-magic` is Audible Magic.
    """
    if recipient == "internal":
        return platform
    name = recipient.partition(":")[2]
    return name.replace("-", " ").title() if name.islower() else name


def recipient_names(recipients: Iterable[str], platform: str) -> list[str]:
    """Return what to call each of them, in their order."""
    return [recipient_name(recipient, platform) for recipient in recipients]


def language_name(locale: str) -> str:
    """Return what a language calls itself; its tag where that is not known."""
    try:
        known = Locale.parse(locale, sep="-")
    except (UnknownLocaleError, ValueError):
        return locale
    name = known.get_display_name()
    return f"{name[:1].upper()}{name[1:]}" if name else locale


def language_for(request: Request) -> Language:
    """Return the language to answer this request in."""
    return language_of(
        request.query_params.get(PARAMETER),
        request.cookies.get(COOKIE),
        request.headers.get("Accept-Language"),
    )


def _environment(folder: Path, language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined] # the i18n extension adds it
        language.gettext,
        language.ngettext,
        newstyle=True,
        pgettext=language.pgettext,
        npgettext=language.npgettext,
    )
    environment.globals |= {"language": language, "own_names": OWN_NAMES, "asset": asset}
    environment.filters |= {
        "day": language.day,
        "moment": language.moment,
        "duration": language.duration,
        "number": language.number,
        "listing": language.listing,
        "machine_time": format_instant,
        "recipient": recipient_name,
        "recipients": recipient_names,
        "language_name": language_name,
    }
    return environment


@cache
def asset(name: str) -> str:
    """Return the address of a static file, which changes with its content. Raises OSError."""
    digest = sha256((STATIC / name).read_bytes()).hexdigest()
    return f"{STATIC_PATH}/{name}?v={digest[:12]}"
