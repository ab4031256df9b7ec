"""Curves as pictures: SVG, readable on white, the same bytes for the same figures."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.figures import Curve

_COLORS: Final = ("#1f5fa8", "#c2410c", "#15803d", "#7c3aed", "#a16207")
_MARKS: Final = ("o", "s", "^", "D", "v")


def draw(curves: Mapping[str, Curve], folder: Path) -> list[Path]:
    """Draw every curve as `folder/<name>.svg`; others that lie there stay."""
    # Loaded by name, so that type checks need nothing that only a benchmark does.
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(exist_ok=True)
    drawn = []
    # Identifiers within an SVG come from the salt, and text stays text.
    settings = {"svg.hashsalt": "fermata", "svg.fonttype": "none", "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        for name, curve in sorted(curves.items()):
            figure, axes = pyplot.subplots(figsize=(7.2, 4.2), facecolor="white")
            _fill(axes, curve)
            path = folder / f"{name}.svg"
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
            pyplot.close(figure)
            drawn.append(path)
    return drawn


def _fill(axes: Any, curve: Curve) -> None:
    for number, line in enumerate(curve.lines):
        xs, ys = zip(*line.points, strict=True)
        look = {"color": _COLORS[number % len(_COLORS)], "marker": _MARKS[number % len(_MARKS)]}
        axes.plot(xs, ys, label=line.name, linewidth=1.8, markersize=5, **look)
    axes.set_xscale("log")
    if curve.y_logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.4g}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title(curve.title, loc="left", fontsize=11)
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    axes.grid(visible=True, color="#d4d4d4", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if len(curve.lines) > 1:
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2)
