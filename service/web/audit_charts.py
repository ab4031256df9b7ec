"""Charts as they are drawn: bars on a grid of numbers, with the same numbers as a table.

Pure geometry. A chart's letters are set as text around it, not in it: so they keep their size
however wide it is drawn, and are read as any other text is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from babel.dates import format_date

from service.web.i18n import languages

HEIGHT: Final = 100
STEP: Final = 10
"""Width of one bar's place; the bar itself leaves one unit free at each side."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing that is counted. `kind` is its colour: "yes", "no", "wait" or "back".

    `down` has it grow downwards from the line in the middle.
    """

    kind: str
    name: str
    down: bool = False


@dataclass(frozen=True, slots=True)
class Rect:
    """One part of a bar, in units of the chart."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or week: its name, its numbers in the order of the series, and how it is drawn."""

    label: str
    numbers: tuple[int, ...]
    rects: tuple[Rect, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars side by side. `says` tells in a sentence what the eye would see.

    `top` and `bottom` are the numbers at the upper and the lower edge, `zero` is where the line
    between them lies. `heading` is what bars are named by.
    """

    key: str
    title: str
    says: str
    heading: str
    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    top: int
    bottom: int
    zero: float

    @property
    def width(self) -> int:
        """How wide it is, in its own units."""
        return STEP * max(1, len(self.bars))


def draw(
    key: str,
    title: str,
    series: Sequence[Series],
    rows: Sequence[tuple[date, Sequence[int]]],
    *,
    by_weeks: bool,
) -> Chart:
    """Return the chart of a row of numbers for each day or week, in the order of the series."""
    ups = [one for one, what in enumerate(series) if not what.down]
    downs = [one for one, what in enumerate(series) if what.down]
    top = max((sum(numbers[one] for one in ups) for _, numbers in rows), default=0)
    bottom = max((sum(numbers[one] for one in downs) for _, numbers in rows), default=0)
    unit = HEIGHT / max(1, top + bottom)
    zero = HEIGHT - bottom * unit
    bars = tuple(
        Bar(day_name(day), tuple(numbers), _rects(series, numbers, unit, zero))
        for day, numbers in rows
    )
    says = _says(series, bars, "week" if by_weeks else "day")
    heading = "Week from" if by_weeks else "Day"
    return Chart(key, title, says, heading, tuple(series), bars, top, bottom, zero)


def day_name(day: date) -> str:
    """Return a day as it is written beside a bar: Mar 1, 2026."""
    return format_date(day, "medium", locale="en")


def _rects(
    series: Sequence[Series], numbers: Sequence[int], unit: float, zero: float
) -> tuple[Rect, ...]:
    rects, above, below = [], zero, zero
    for what, number in zip(series, numbers, strict=True):
        height = number * unit
        if not number:
            continue
        if what.down:
            rects.append(Rect(what.kind, round(below, 3), round(height, 3)))
            below += height
        else:
            above -= height
            rects.append(Rect(what.kind, round(above, 3), round(height, 3)))
    return tuple(rects)


def _says(series: Sequence[Series], bars: Sequence[Bar], unit: str) -> str:
    """Return the totals, and the bar that stands out most, as words."""
    number = languages()["en"].number
    totals = ", ".join(
        f"{number(sum(bar.numbers[place] for bar in bars))} {what.name}"
        for place, what in enumerate(series)
    )
    busiest = max(bars, key=lambda bar: sum(bar.numbers), default=None)
    if busiest is None or not sum(busiest.numbers):
        return f"Nothing in any {unit}."
    most, when = number(sum(busiest.numbers)), "on" if unit == "day" else "from"
    return f"In all: {totals}. Most in one {unit}: {most}, {when} {busiest.label}."
