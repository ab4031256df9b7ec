"""`/audit/decisions`: what pipelines were answered, by pipeline and by reason, over a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.audit.answered import LONGEST, Answered, answered_in
from service.audit.answered_counts import MOST_JOBS
from service.audit.bounded import TooMuch, bounded
from service.audit.decisions import newest_decisions
from service.decisions.log.entry import Entry
from service.decisions.log.find import Wanted
from service.domain.assessment import Reason
from service.web.audit_charts import Chart, Series, draw
from service.web.audit_frame import answer
from service.web.audit_period import Asked, asked_period
from service.web.context import AUDIT, WebServices, auditor, web_of

_USUAL_DAYS: Final = 7
_LISTED: Final = 20
_LONGEST: Final = 400
_SERIES: Final = (Series("yes", "permitted"), Series("no", "not permitted"))


@dataclass(frozen=True, slots=True)
class DecisionsPage:
    """Shows answers over a period by pipeline and by reason, and some of the newest.

    `client`, `job` and `reason` narrow down which are listed, not what is counted. `answered` and
    `chart` are None where counting took too long, `newest` where finding them did. `more` says that
    there may be others than those listed. `most_jobs` is up to how many pipelines of a client are
    told apart.
    """

    template: ClassVar[str] = "audit/decisions.html.j2"

    asked: Asked
    longest: int
    answered: Answered | None
    chart: Chart | None
    most_jobs: int
    client: str | None
    job: str | None
    reason: str | None
    reasons: Sequence[str]
    newest: Sequence[Entry] | None
    more: bool


async def decisions(request: Request) -> Response:
    """Answer the page; `from` and `to` choose the period, the others what to list."""
    session, web = auditor(request), web_of(request)
    asked = asked_period(request, days=_USUAL_DAYS, longest=LONGEST)
    client, job = _named(request, "client"), _named(request, "job")
    named = request.query_params.get("reason")
    reason = Reason(named) if named in set(Reason) else None
    answered = await _answered(web, asked)
    listed = Wanted(
        client=client,
        job=job,
        reason=reason,
        since=asked.period.since,
        until=asked.period.until,
    )
    newest, more = await _newest(web, listed)
    page = DecisionsPage(
        asked=asked,
        longest=LONGEST,
        answered=answered,
        chart=None if answered is None else _chart(answered, asked),
        most_jobs=MOST_JOBS,
        client=client,
        job=job,
        reason=None if reason is None else reason.value,
        reasons=[one.value for one in Reason],
        newest=newest,
        more=more,
    )
    return await answer(request, session, page, "decisions")


def _named(request: Request, parameter: str) -> str | None:
    return request.query_params.get(parameter, "")[:_LONGEST].replace("\0", "") or None


async def _answered(web: WebServices, asked: Asked) -> Answered | None:
    try:
        async with web.database.read() as reading:
            return await answered_in(reading, web.sealed, asked.period)
    except TooMuch:
        return None


async def _newest(web: WebServices, wanted: Wanted) -> tuple[Sequence[Entry] | None, bool]:
    try:
        async with web.database.read() as reading, bounded(reading):
            found = await newest_decisions(reading, web.sealed, wanted, limit=_LISTED)
    except TooMuch:
        return None, True
    return found.entries, found.below is not None


def _chart(answered: Answered, asked: Asked) -> Chart:
    rows = [
        (begins, (tally.permitted, tally.denied)) for begins, tally in answered.by_stretch.items()
    ]
    title = f"Answers by {'week' if asked.period.by_weeks else 'day'}"
    return draw("answers", title, _SERIES, rows, by_weeks=asked.period.by_weeks)


ROUTES: Final = (Route(f"{AUDIT}/decisions", decisions, name="audit_decisions"),)
