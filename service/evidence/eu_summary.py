"""The pack `eu-training-summary`: the public summary of training content, as far as we know it.

Two files that say the same: `eu-training-summary.html`, to complete and publish, and
`eu-training-summary.json`. Nobody can be told from them; docs/evidence.md describes the JSON.
"""

from pathlib import Path
from typing import Any, Final

from service.db.engine import ReadSession
from service.evidence import eu_figures, eu_words
from service.evidence.eu_template import TEMPLATE, Field
from service.evidence.scope import left_out, scope_json
from service.evidence.scratch import Scratch
from service.evidence.sheet import write_sheet
from service.evidence.wanted import PackWanted
from service.evidence.withheld import FEWEST
from service.ledger.events import Json

NAME: Final = "eu-training-summary"
SCHEMA: Final = "fermata.eu-training-summary/1"

_NOT_COVERED: Final = (
    "What no pipeline asked about: Fermata knows only of uses that asked it first.",
    "Whether content that was permitted was in fact used, and for which model.",
    "Data of any other source, and any other use and recipient than those named above.",
    "Rightsholders other than those that the platform has registered for a content.",
)


async def write(session: ReadSession, wanted: PackWanted, folder: Path) -> list[Path]:
    """Write the summary of a column, or of one run. Raises Refused as `Pack.write` says."""
    async with Scratch(folder) as scratch:
        figures = await eu_figures.count(session, wanted, scratch)
    return write_sheet(folder, NAME, _document(figures, wanted))


def _document(figures: eu_figures.Figures, wanted: PackWanted) -> Json:
    said = eu_words.sentences(figures, wanted)
    return {
        "schema": SCHEMA,
        "title": "Public summary of training content",
        "scope": scope_json(wanted),
        "sections": [
            {
                "number": section.number,
                "title": section.title,
                "fields": [_field(one, said.get(one.key)) for one in section.fields],
            }
            for section in TEMPLATE
        ],
        "figures": eu_figures.figures_json(figures, wanted),
        "fewest_artists_given": FEWEST,
        "not_covered": [*_NOT_COVERED, *left_out(figures.asking)],
    }


def _field(field: Field, said: str | None) -> dict[str, Any]:
    """Return a field. What Fermata says is never an answer: the provider completes every field."""
    return {"key": field.key, "label": field.label, "hint": field.hint, "fermata": said}
