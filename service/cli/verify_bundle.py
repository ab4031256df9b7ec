"""What `fermata verify` finds in an export: what its entries say, and what decisions rest on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from service.cli.verify_database import NOT_REPLAYED, with_replayed
from service.decisions.log.packing import Damaged
from service.ledger.events import LedgerBroken
from service.replay.bundled import NEEDED, replay_bundle
from service.verify.bundle import verify_bundle
from service.verify.claims import Placed
from service.verify.finding import Finding, Report, What
from service.verify.notes import Key

NOT_ASKED: Final = "decisions: not recomputed, as was asked"
NOT_ENOUGH: Final = f"decisions: not recomputed without all of {', '.join(NEEDED)} in the bundle"
PUT_ANEW: Final = (
    "outcomes of decisions: about content that was put anew later, of which a bundle has no more "
    "than the last state"
)
_SENSELESS: Final = (ValueError, TypeError, KeyError, AttributeError)
_DECISIONS: Final = "rows of decisions"

Advance: TypeAlias = Callable[[int, int], None]


def verified_bundle(
    place: Path,
    keys: Sequence[Key],
    kept: Sequence[Placed],
    *,
    decisions: bool,
    advance: Advance,
) -> Report:
    """Look at everything in a bundle; with `decisions` also whether its entries lead to them.

    Raises CannotLook as `verify_bundle` does.
    """
    report = verify_bundle(place, keys, kept, advance=advance)
    if _DECISIONS not in report.looked:
        return report
    if not decisions:
        return report.unable(NOT_ASKED)
    if not report.holds:
        return report.unable(NOT_REPLAYED)
    return _with_decisions(place, report, advance)


def _with_decisions(place: Path, report: Report, advance: Advance) -> Report:
    """Add what recomputing the decisions finds."""
    total = report.looked[_DECISIONS]
    try:
        found = replay_bundle(place, on_progress=lambda how_far: advance(how_far.done, total))
    except (LedgerBroken, Damaged, *_SENSELESS) as error:
        says = f"what they rest on contradicts itself: {error}"
        broken = Finding(What.EXPORT_ALTERED, None, "decisions", says)
        return report.with_more([broken], {}).unable(NOT_REPLAYED)
    if found is None:
        return report.unable(NOT_ENOUGH)
    report = with_replayed(report, found.report)
    return report.unable(PUT_ANEW, found.put_anew) if found.put_anew else report
