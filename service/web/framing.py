"""What surrounds a page: the platform's name, where the reader is, and who is signed in."""

from starlette.requests import Request

from service.policies.charter import current_charter
from service.web.context import web_of
from service.web.session import Session
from service.web.templates import Frame


async def framed(request: Request, *, area: str = "", session: Session | None = None) -> Frame:
    """Return the frame of a page. Reads the charter for the platform's name."""
    async with web_of(request).database.read() as reading:
        charter = await current_charter(reading)
    return _frame(request, "" if charter is None else charter.platform, area, session)


def bare_frame(request: Request) -> Frame:
    """Return a frame for pages about failures, which must not need what has failed."""
    return _frame(request, "", "", None)


def _frame(request: Request, platform: str, area: str, session: Session | None) -> Frame:
    return Frame(
        platform=platform,
        path=request.url.path,
        query=dict(request.query_params),
        person=None if session is None else session.subject,
        csrf_token=None if session is None else session.csrf_token,
        area=area,
    )
