"""How many said yes, said no, or took back what they had said, over time and by use.

Counted are consent records as they were said. Those of artists who were erased are gone from the
tables with everything else of theirs, and so from these numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ARRAY, Text, TextClause, bindparam, text

from service.audit.period import Period
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.domain import uses


@dataclass(frozen=True, slots=True)
class Answers:
    """How many records say what."""

    no: int = 0
    yes: int = 0
    taken_back: int = 0

    def __add__(self, other: "Answers") -> "Answers":
        """Return both together."""
        return Answers(self.no + other.no, self.yes + other.yes, self.taken_back + other.taken_back)

    @property
    def total(self) -> int:
        """How many records there are."""
        return self.no + self.yes + self.taken_back


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was said from one day on, until the next stretch begins."""

    begins: date
    answers: Answers


@dataclass(frozen=True, slots=True)
class Said:
    """What was said in a period about a use or anything beneath it.

    `above` was said about something wider in the same time, and reaches the use as well. `by_use`
    has each node that something was said about.
    """

    stretches: Sequence[Stretch]
    total: Answers
    above: Answers
    by_use: Mapping[str, Answers]


# Revisions and times grow together, so the period's revisions bound what is read.
_SAID: Final = """
WITH bounds AS (
    SELECT
        (SELECT revision FROM ledger WHERE recorded_at >= :since ORDER BY recorded_at LIMIT 1)
            AS first,
        coalesce(
            (SELECT revision FROM ledger WHERE recorded_at >= :until ORDER BY recorded_at LIMIT 1),
            9223372036854775807
        ) AS beyond
)
SELECT {columns},
    count(*) FILTER (WHERE answer = 'opt_out') AS no,
    count(*) FILTER (WHERE answer = 'opt_in') AS yes,
    count(*) FILTER (WHERE answer = 'inherit') AS taken_back
FROM consents, bounds
WHERE revision >= bounds.first AND revision < bounds.beyond AND {condition}
GROUP BY 1 ORDER BY 1
"""
_BENEATH: Final = "(:use = '*' OR use = :use OR starts_with(use, :use || '.'))"


def _said(columns: str, condition: str) -> TextClause:
    return text(_SAID.format(columns=columns, condition=condition)).bindparams(
        bindparam("since", type_=InstantType()), bindparam("until", type_=InstantType())
    )


_BY_DAY: Final = _said("(recorded_at AT TIME ZONE 'UTC')::date AS key", _BENEATH)
_BY_USE: Final = _said("use AS key", _BENEATH)
_ABOVE: Final = _said("use AS key", "use = ANY(:above)").bindparams(
    bindparam("above", type_=ARRAY(Text))
)


async def said_in(session: ReadSession, period: Period, use: str = uses.ROOT) -> Said:
    """Return what was said in the period about a node of the tree of uses and what is beneath."""
    asked = {"since": period.since, "until": period.until, "use": use}
    above = {"since": period.since, "until": period.until, "above": uses.above(use)[:-1]}
    if use == uses.ROOT:
        above["above"] = []
    stretches = dict.fromkeys(period.begins(), Answers())
    for row in await session.execute(_BY_DAY, asked):
        stretches[period.begin_of(row.key)] += _answers(row)
    by_use = {row.key: _answers(row) for row in await session.execute(_BY_USE, asked)}
    wider = [_answers(row) for row in await session.execute(_ABOVE, above)]
    return Said(
        stretches=[Stretch(day, answers) for day, answers in stretches.items()],
        total=sum(by_use.values(), Answers()),
        above=sum(wider, Answers()),
        by_use=by_use,
    )


def _answers(row: Any) -> Answers:
    return Answers(row.no, row.yes, row.taken_back)


_NODES: Final = text("""
SELECT node FROM (SELECT use AS node FROM policies UNION SELECT use FROM uses) AS known
ORDER BY node
""")


async def known_uses(session: ReadSession) -> Sequence[str]:
    """Return every node of the tree of uses that somebody could ask about, the root first."""
    leaves = [row.node for row in await session.execute(_NODES)]
    nodes = {node for leaf in leaves for node in uses.above(leaf)}
    return sorted(nodes, key=lambda node: (node != uses.ROOT, node))
