"""`/audit/notices`: whom each notice has reached, and how the windows run that it started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.audit.bounded import TooMuch, bounded
from service.audit.notices import Coverage, coverages
from service.audit.period import Period
from service.domain.instant import Instant
from service.notices.cursor import Cursors
from service.notices.progress import Looking, count_days, count_notice
from service.web.audit_charts import Chart, Series, draw
from service.web.audit_frame import answer, id_in_path, whole_number
from service.web.context import AUDIT, auditor, web_of

_DELIVERED: Final = (Series("yes", "delivered"), Series("no", "bounced", down=True))
_CLOSING: Final = (Series("wait", "windows closing"),)


@dataclass(frozen=True, slots=True)
class NoticesPage:
    """Lists notices, newest first, with their coverage; None where counting took too long."""

    template: ClassVar[str] = "audit/notices.html.j2"

    notices: Sequence[Coverage] | None
    next_before: int | None
    now: Instant


@dataclass(frozen=True, slots=True)
class NoticePage:
    """Shows one notice in numbers; `figures` are those of `GET /v1/notices/{notice}`.

    `figures` and the charts are None where counting took too long. `delivered` is about each day on
    which anything arrived or came back, `closing` about each on which a window closes.
    """

    template: ClassVar[str] = "audit/notice.html.j2"

    notice: str
    figures: Mapping[str, Any] | None
    delivered: Chart | None
    closing: Chart | None
    opted_out_before: int


async def notices(request: Request) -> Response:
    """Answer a page of all notices."""
    session, web = auditor(request), web_of(request)
    now = web.clock.now()
    try:
        async with web.database.read() as reading, bounded(reading):
            found = await coverages(reading, now, before=whole_number(request, "before"))
    except TooMuch:
        return await answer(request, session, NoticesPage(None, None, now), "notices")
    page = NoticesPage(found.notices, found.next_before, now)
    return await answer(request, session, page, "notices")


async def notice(request: Request) -> Response:
    """Answer one notice. Raises Refused where there is none of this id."""
    session, web = auditor(request), web_of(request)
    name = id_in_path(request, "notice")
    # Nobody is listed here, so no cursor is ever written: any key will do.
    looking = Looking((await web.heads.read()).now, web.settings, Cursors(bytes(32)))
    try:
        async with web.database.read() as reading, bounded(reading):
            figures = await count_notice(reading, looking, name)
            days = await count_days(reading, looking, name)
    except TooMuch:
        return await answer(request, session, NoticePage(name, None, None, None, 0), "notices")
    page = NoticePage(
        name,
        figures,
        _chart("delivered", "Arrivals", _DELIVERED, days, ("delivered", "bounced")),
        _chart("closing", "Windows by when they close", _CLOSING, days, ("windows_closing",)),
        days["opted_out_before"],
    )
    return await answer(request, session, page, "notices")


def _chart(
    key: str,
    title: str,
    series: Sequence[Series],
    days: Mapping[str, Any],
    names: Sequence[str],
) -> Chart | None:
    """Return the chart from the first day that has any of these to the last; None for none."""
    found = {
        date.fromisoformat(day["day"]): [day[name] for name in names]
        for day in days["days"]
        if any(day[name] for name in names)
    }
    if not found:
        return None
    period = Period(min(found), max(found))
    rows = {begins: [0] * len(names) for begins in period.begins()}
    for day, numbers in found.items():
        row = rows[period.begin_of(day)]
        row[:] = [before + more for before, more in zip(row, numbers, strict=True)]
    return draw(key, title, series, list(rows.items()), by_weeks=period.by_weeks)


ROUTES: Final = (
    Route(f"{AUDIT}/notices", notices, name="audit_notices"),
    Route(f"{AUDIT}/notices/{{notice}}", notice, name="audit_notice"),
)
