"""What a run leaves behind: results.json, details.json and RESULTS.md, earlier parts kept."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.figures import KINDS, Curve, Found, Kind, Line, spelled, table
from bench.plots import draw

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE / "results.json"
DETAILS: Final = HERE / "details.json"
REPORT: Final = HERE / "RESULTS.md"
PLOTS: Final = HERE / "plots"


class Report:
    """Everything known so far; a part that is run again replaces what it said before."""

    def __init__(self, folder: Path, order: Sequence[str]) -> None:
        """Read what earlier runs left in the folder; `order` is that of the parts in the report."""
        self._order = order
        folder.mkdir(exist_ok=True)
        self._results = folder / RESULTS.name
        self._details = folder / DETAILS.name
        self._report = folder / REPORT.name
        self._plots = folder / PLOTS.name
        self.figures: dict[str, dict[str, Any]] = _read(self._results).get("figures", {})
        self.parts: dict[str, dict[str, Any]] = _read(self._details).get("parts", {})

    def take(self, part: str, found: Found, around: Mapping[str, Any]) -> None:
        """Take what a part found, and under what circumstances."""
        self.drop(part)
        self.figures |= {name: figure.as_json() for name, figure in found.figures.items()}
        self.parts[part] = {
            **around,
            "figures": sorted(found.figures),
            "notes": found.notes,
            "profiles": found.profiles,
            "curves": {name: asdict(curve) for name, curve in found.curves.items()},
        }

    def drop(self, part: str) -> None:
        """Forget what a part said before: it has failed, or says something new."""
        for name in self.parts.pop(part, {}).get("figures", ()):
            self.figures.pop(name, None)

    def write(self) -> None:
        """Write everything down."""
        ordered = {name: self.figures[name] for name in KINDS if name in self.figures}
        _write(self._results, {"figures": ordered})
        self.parts = {name: self.parts[name] for name in self._order if name in self.parts}
        _write(self._details, {"parts": self.parts})
        draw(self._curves(), self._plots)
        self._report.write_text("\n".join(self._words()).rstrip() + "\n")

    def _curves(self) -> dict[str, Curve]:
        return {
            name: Curve(**{**curve, "lines": [Line(**line) for line in curve["lines"]]})
            for part in self.parts.values()
            for name, curve in part["curves"].items()
        }

    def _words(self) -> Iterator[str]:
        yield "# What was measured"
        yield ""
        yield "Written by `make bench`; do not edit. The numbers: [results.json](results.json)."
        yield ""
        yield _METHOD
        yield "## The table"
        yield ""
        yield table(
            ("figure", "what it is", "measured", "least", "most", "runs", "asked for", ""),
            (self._row(name) for name, kind in KINDS.items() if kind.target is not None),
            texts=2,
        )
        yield ""
        yield "Beside it, and nothing was asked of these:"
        yield ""
        beside = [
            self._row(name)[:6]
            for name, kind in KINDS.items()
            if kind.target is None and name in self.figures
        ]
        head = ("figure", "what it is", "measured", "least", "most", "runs")
        yield table(head, beside, texts=2)
        for name in sorted(self._curves()):
            yield f"\n![{name.replace('_', ' ')}]({PLOTS.name}/{name}.svg)"
        for name, part in self.parts.items():
            yield from self._part(name, part)

    def _row(self, name: str) -> list[str]:
        kind, figure = KINDS[name], self.figures.get(name)
        asked_for = "" if kind.target is None else _asked_for(kind)
        if figure is None:
            return [f"`{name}`", kind.means, "**not measured**", "", "", "", asked_for, ""]
        value, least, most = (
            spelled(figure[one], kind.unit if one == "value" or kind.unit == "bytes" else "")
            for one in ("value", "min", "max")
        )
        verdict = {None: "", True: "met", False: "**missed**"}[kind.met(figure["value"])]
        runs = str(figure["runs"])
        return [f"`{name}`", kind.means, f"**{value}**", least, most, runs, asked_for, verdict]

    def _part(self, name: str, part: Mapping[str, Any]) -> Iterator[str]:
        yield f"\n## {name}\n"
        yield (
            f"{part['about']} Measured at commit {part['commit']} on {part['on']}: "
            f"{part['machine']}; {part['runs']} runs of {part['seconds']:g} s, it took "
            f"{part['took']:.0f} s in all; load before it {part['load']:.1f}."
        )
        if part["quick"]:
            yield "\n**A quick run on small data: worth nothing as a measurement.**"
        yield "\n" + ", ".join(f"{one} {is_}" for one, is_ in part["versions"].items()) + "."
        for note in part["notes"]:
            yield f"\n{note}"
        for figure in part["figures"]:
            kind, value = KINDS[figure], self.figures[figure]["value"]
            if kind.met(value) is False:
                yield (
                    f"\n**`{figure}` is missed**: {spelled(value, kind.unit)}, and "
                    f"{_asked_for(kind)} was asked for."
                )
        for titled, words in part["profiles"].items():
            yield f"\nWhere the time goes ({titled}):\n\n```text\n{words}\n```"


def _asked_for(kind: Kind) -> str:
    return f"{'at most' if kind.most else 'at least'} {spelled(kind.target, kind.unit)}"


_METHOD: Final = """\
Client, service and PostgreSQL share the machine's cores. The service runs as `fermata serve` runs
it, over its embedded PostgreSQL with fsync on; every check is strong and every answer is in the log
before it leaves. Requests are made beforehand and answers are counted by their length, so the
client does next to nothing; what they say is held against a second opinion (`world.py`) outside
the time that is measured, and the log is counted afterwards.

The world is made up from a seed: 10,000 artists, 50,000 tracks with one or two of them, five uses
(two `opt_out`, one each of `open`, `opt_in` and `prohibited`), 20 % of the artists with a no to
everything, a branch or one use, 20 % with a yes, and 2 % of the tracks with a no of their own. A
request asks about one use, and tracks drawn by chance.

A figure is the median of its runs. "Asked for" is what the issue that this was built for asks. A
figure that misses it says so, with a profile. The curves, and what a part says below, come from
the same run as its figures.
"""


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
