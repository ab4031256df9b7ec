"""Shapes: what an answer does over time, with the instants left open.

All that the rules ever do with instants is to compare them. So two artists whose instants stand in
the same order (when they registered, when versions were published and windows close, when something
was said and expires) have answers of the same shape, each with their own instants in it. The rules
are asked once for one of them; what they say is kept as a `Shape` over the numbers of the instants.
Instant number 0 is the one from which the answer is settled: the last thing said or done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.decisions.compiled.answers import code_of
from service.domain.assessment import Column
from service.domain.decision import Span, permitted_interval, spans_of
from service.domain.history import Artist
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion

_MOST_REMEMBERED: Final = 1_024
"""Orders of instants that a column remembers; they are few unless everybody says many things."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a column is about: one use's versions, one recipient, the least version that counts."""

    versions: Sequence[PolicyVersion]
    recipient: str
    least: int = 1

    @property
    def published_at(self) -> Instant:
        """When the latest version was published."""
        return self.versions[-1].published_at

    def spans(self, artist: Artist, content: str | None = None) -> tuple[Span, ...]:
        """Return an artist's answers as the rules give them."""
        return spans_of(
            Column(artist, self.versions, self.recipient, content, min_version=self.least)
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """An answer over time: `codes[n + 1]` follows `codes[n]` at instant number `edges[n]`.

    `start` and `end` number the instants between which it permits; None is never, or unbounded.
    """

    codes: tuple[int, ...]
    edges: tuple[int, ...]
    start: int | None
    end: int | None

    @property
    def timeless(self) -> bool:
        """Whether no instant matters: denied now and for ever, for one reason."""
        return self.start is None and not self.edges


class Remembered:
    """What the rules said of instants in the same order: for so many orders."""

    def __init__(self) -> None:
        self._shapes: dict[object, Shape] = {}

    def get(self, order: object) -> Shape | None:
        """Return the shape of an order that the rules were asked about."""
        return self._shapes.get(order)

    def keep(self, order: object, shape: Shape) -> Shape:
        """Remember a shape, and return it. All are forgotten where they are too many."""
        if len(self._shapes) >= _MOST_REMEMBERED:
            self._shapes.clear()
        self._shapes[order] = shape
        return shape


def shape_of(spans: Sequence[Span], instants: Sequence[Instant]) -> Shape:
    """Return the shape of answers whose every turn is at one of the instants."""
    codes = [code_of(spans[0].reason, spans[0].policy_version)]
    edges = []
    for span in spans[1:]:
        code = code_of(span.reason, span.policy_version)
        if code != codes[-1]:
            codes.append(code)
            edges.append(instants.index(span.since))
    permitted = permitted_interval(spans)
    return Shape(
        codes=tuple(codes),
        edges=tuple(edges),
        start=None if permitted.start is None else instants.index(permitted.start),
        end=None if permitted.end is None else instants.index(permitted.end),
    )
