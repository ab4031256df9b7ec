"""`/audit/consents`: who said yes and who said no, over time and by use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.audit.bounded import TooMuch, bounded
from service.audit.said import Answers, Said, known_uses, said_in
from service.domain import uses
from service.web.audit_charts import Chart, Series, draw
from service.web.audit_frame import answer
from service.web.audit_period import Asked, asked_period
from service.web.context import AUDIT, auditor, web_of

_USUAL_DAYS: Final = 30
_LONGEST_DAYS: Final = 5 * 366
_SERIES: Final = (Series("yes", "yes"), Series("no", "no", down=True))


@dataclass(frozen=True, slots=True)
class ConsentsPage:
    """Shows yes and no over a period, about one node of the tree of uses and what is beneath it.

    `chart` and what comes with it are None where reading took too long. `above` was said in the
    same time about something wider, and reaches this use as well.
    """

    template: ClassVar[str] = "audit/consents.html.j2"

    asked: Asked
    use: str
    uses: Sequence[str]
    chart: Chart | None
    total: Answers | None
    above: Answers | None
    by_use: Mapping[str, Answers] | None


async def consents(request: Request) -> Response:
    """Answer the page; `use`, `from` and `to` choose."""
    session, web = auditor(request), web_of(request)
    asked = asked_period(request, days=_USUAL_DAYS, longest=_LONGEST_DAYS)
    use = request.query_params.get("use") or uses.ROOT
    use = use if uses.is_node(use) else uses.ROOT
    async with web.database.read() as reading:
        known = await known_uses(reading)
    said = None
    try:
        async with web.database.read() as reading, bounded(reading):
            said = await said_in(reading, asked.period, use)
    except TooMuch:
        pass
    page = ConsentsPage(
        asked=asked,
        use=use,
        uses=known if use in known else [*known, use],
        chart=None if said is None else _chart(said, asked),
        total=None if said is None else said.total,
        above=None if said is None else said.above,
        by_use=None if said is None else said.by_use,
    )
    return await answer(request, session, page, "consents")


def _chart(said: Said, asked: Asked) -> Chart:
    rows = [(one.begins, (one.answers.yes, one.answers.no)) for one in said.stretches]
    title = f"Yes and no by {'week' if asked.period.by_weeks else 'day'}"
    return draw("said", title, _SERIES, rows, by_weeks=asked.period.by_weeks)


ROUTES: Final = (Route(f"{AUDIT}/consents", consents, name="audit_consents"),)
