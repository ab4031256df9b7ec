"""What Fermata can say in the public summary: sentences from figures, never beyond them."""

from collections.abc import Mapping
from typing import Final

from service.evidence.eu_figures import Figures, day
from service.evidence.wanted import PackWanted
from service.evidence.withheld import Given

_INTERNAL: Final = "internal"
_OWN_USERS: Final = "user.services"
_THIRD_PARTY: Final = "private.used"
_TOLD: Final = {
    True: "Table D tells who was told when, table E how many answered.",
    False: "No notice of this use has been announced (table D).",
}


def sentences(figures: Figures, wanted: PackWanted) -> Mapping[str, str]:
    """Return what Fermata has to say, by the key of the field that it belongs to.

    What the platform itself uses is its users' data (2.4). For a partner it is data of a third
    party: the platform (2.2.2), unless a licence says more, of which Fermata knows nothing (2.2.1).
    """
    own = wanted.recipient == _INTERNAL
    found = {
        _OWN_USERS if own else _THIRD_PARTY: _asked(figures, wanted),
        "reservation.measures": _measures(figures),
        "illegal.measures": _kept_out(figures),
        "processing.other": _kept(wanted),
    }
    if own:
        found["user.description"] = (
            f"{wanted.platform}: content that artists, or others for them, have registered there."
        )
    if figures.registered[0] is not None:
        found["data.latest_acquisition"] = _registered(figures)
    return found


def _asked(figures: Figures, wanted: PackWanted) -> str:
    asking = figures.asking
    if not asking.decisions:
        return (
            f"No pipeline has asked about content of {wanted.platform} for this use and this"
            " recipient in this time."
        )
    return (
        f"Pipelines asked about content of {wanted.platform} {_times(asking.decisions)},"
        f" from {day(asking.first_at)} to {day(asking.last_at)}."
        f" Permitted: {_said(figures.confirmed)}.{_and_not_confirmed(figures)} Never permitted:"
        f" {_said(figures.all_denied)}. Tables A and B tell on what ground. What was permitted"
        " may have been used; whether it was is for the provider to say."
    )


def _and_not_confirmed(figures: Figures) -> str:
    if not _any(figures.not_confirmed):
        return ""
    return (
        " Answered as permitted, and not borne out by the ledger:"
        f" {_said(figures.not_confirmed)} (3.1)."
    )


def _any(total: Given) -> bool:
    """Tell whether there is anything in a total, given or not."""
    return total["content"] != 0


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _said(total: Given) -> str:
    if total["withheld"] is not None:
        return f"content of {total['withheld']}"
    least = "at least " if total["at_least"] else ""
    return f"{least}{total['content']:,} content of {total['artists']:,} artists"


def _registered(figures: Figures) -> str:
    first, last = figures.registered
    return (
        f"The permitted content that is counted was registered from {day(first)} to {day(last)}. "
        "Of other sources Fermata knows nothing."
    )


def _measures(figures: Figures) -> str:
    announced = any(told.telling.announced_at for told in figures.told)
    return (
        f"{_looked_up(figures)} A no holds for everything beneath it from the moment it is"
        " recorded, under every later version of the terms, until the same rightsholder lifts it."
        " Where silence permits under new terms, it does so only after a notice has arrived and a"
        " full window has passed; a notice that came back permits nothing. A no is taken at any"
        " time: on the settings page, by the link in a notice, from somebody whom the rightsholder"
        " has named; to all uses, to one, to one recipient, for one content."
        f" {_TOLD[announced]}"
    )


def _looked_up(figures: Figures) -> str:
    """Return what became of looking: never more than the ledger bears out."""
    looked_up = "Each content that was asked about was looked up in the platform's consent record"
    if _any(figures.not_confirmed):
        return (
            f"{looked_up}; all rightsholders of a content have to permit it. Not everything that"
            " was answered as permitted is borne out by the ledger:"
            f" {_said(figures.not_confirmed)} in table A, of which it cannot be said that the terms"
            " of the use and its rightsholders' own words permitted it. The platform's commands"
            " fermata replay and fermata verify name the decisions; how they came about is for the"
            " platform to say."
        )
    said = (
        f"{looked_up}, and nothing was permitted that the terms of the use and its rightsholders'"
        " own words did not permit: all rightsholders of a content have to."
    )
    if figures.erased:
        return (
            f"{said} What a rightsholder said who has been erased since is kept no more: their part"
            " in this cannot be looked at again."
        )
    return said


def _kept_out(figures: Figures) -> str:
    begin = "Content"
    if _any(figures.not_confirmed):
        begin = "But for what the ledger does not bear out (3.1), content"
    return (
        f"{begin} that the platform had marked as removed or as disputed was not permitted; table B"
        " counts it. Fermata does not look into content."
    )


def _kept(wanted: PackWanted) -> str:
    return (
        "Every answer, every statement of a rightsholder, every notice and every version of the"
        " terms is kept in a ledger whose entries cannot be changed unnoticed. These figures are"
        f" of its first {wanted.until_revision:,} entries; the manifest beside this file has the"
        " signed checkpoint that they can be held against."
    )
