"""The period that somebody wants to look at, as its form says it."""

from dataclasses import dataclass
from datetime import date

from starlette.requests import Request

from service.audit.period import Period
from service.web.context import web_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A period, and whether it is the one that was asked for: `understood` is false otherwise."""

    period: Period
    understood: bool

    @property
    def first(self) -> str:
        """The first day, as a form has it."""
        return self.period.first.isoformat()

    @property
    def last(self) -> str:
        """The last day, as a form has it."""
        return self.period.last.isoformat()


def asked_period(request: Request, *, days: int, longest: int) -> Asked:
    """Return the days `from` and `to` of the query; without them so many, the last of them today.

    Where they are no days, end before they begin, or are more than the `longest`, they are not
    understood, and it is the usual period.
    """
    usual = Period.ending(web_of(request).clock.now(), days)
    query = request.query_params
    given = [query[name] for name in ("from", "to") if query.get(name)]
    try:
        first = date.fromisoformat(query.get("from") or usual.first.isoformat())
        last = date.fromisoformat(query.get("to") or usual.last.isoformat())
        period = Period(first, last)
    except ValueError:
        return Asked(usual, understood=not given)
    return (
        Asked(period, understood=True) if period.days <= longest else Asked(usual, understood=False)
    )
