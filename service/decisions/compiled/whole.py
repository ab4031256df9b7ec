"""The index as a whole: taken apart for a snapshot, put together from one, rid of the erased."""

import numpy as np

from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.kept import Kept
from service.decisions.compiled.parts import Parts, text_of, under, within
from service.decisions.compiled.policies import policies_from_bytes, policies_to_bytes
from service.decisions.compiled.voices import ERASED, OF_ONE_CONTENT


def forget_erased(kept: Kept) -> None:
    """Keep nothing of erased artists but that they were there: no name, nothing that they said.

    They answer as before, but are not known by the platform's id any more.
    """
    standing, said = kept.voices.standing.held, kept.voices.said.held
    erased = np.flatnonzero((standing == ERASED) & (said != OF_ONE_CONTENT)).astype(np.uint32)
    for artist in erased.tolist():
        for content, voice in kept.voices.exceptions.forget(artist):
            kept.rightsholders.speak_for(content, voice, artist)
    kept.records.wipe()
    kept.names.forget(erased)


def parts_of(kept: Kept) -> Parts:
    """Return everything but the columns, which are compiled anew when they are asked."""
    parts: Parts = {"policies": policies_to_bytes(kept.history)}
    members = {
        "subjects": kept.subjects.parts(),
        "contents": kept.contents.parts(),
        "names": kept.names.parts(),
        "voices": kept.voices.parts(),
        "rightsholders": kept.rightsholders.parts(),
        "records": kept.records.parts(),
    }
    for name, member in members.items():
        parts |= under(name, member)
    for use, deliveries in kept.deliveries.items():
        told = {f"{version}:{use}": part for version, part in deliveries.parts().items()}
        parts |= under("deliveries", told)
    return parts


def restore(kept: Kept, parts: Parts) -> None:
    """Let an index that has taken no event stand where the one stood that the parts are from.

    The parts are its own from here on. Raises ValueError where they do not fit.
    """
    policies_from_bytes(text_of(parts, "policies"), kept.history)
    kept.subjects.restore(within(parts, "subjects"))
    kept.contents.restore(within(parts, "contents"))
    kept.names.restore(within(parts, "names"))
    kept.voices.restore(within(parts, "voices"))
    kept.rightsholders.restore(within(parts, "rightsholders"))
    kept.records.restore(within(parts, "records"))
    for name, part in within(parts, "deliveries").items():
        version, _, use = name.partition(":")
        kept.deliveries.setdefault(use, Deliveries()).restore({version: part})
