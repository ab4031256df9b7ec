"""What a stretch of events can have changed: everything else is answered before it as after it.

Which content and artists an event touches is what the stream of changes goes by, too; rather too
much than too little. Uses and recipients are not told apart, but for a version of a use.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.decisions.changes.touched import touched_by
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.rightsholders import spread
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Spelled
from service.replay.steps import Step


class Touching:
    """What events touch that an index has not taken in yet."""

    def __init__(self, index: CompiledIndex, ahead: Sequence[Step]) -> None:
        """Look at the events that come next."""
        self.uses = set[str]()
        """Uses of which a version is published."""
        self._rightsholders = index.rightsholders
        self._voices = np.zeros(index.voices.size, np.bool_)
        self._contents = np.zeros(len(index.contents), np.bool_)
        for step in ahead:
            touched = touched_by(step.revision, step.fact)
            if touched.anew is not None and touched.anew.use is not None:
                self.uses.add(touched.anew.use)
            if touched.artists:
                artists = index.subjects.find_all(Spelled.of(touched.artists))
                self._voices[index.voices.exceptions.with_own(artists)] = True
            if touched.content:
                self._contents[index.contents.find_all(Spelled.of(touched.content))] = True
        # Nobody knows yet what has no ordinal; it may be there a moment later.
        self._voices[0] = self._contents[0] = True

    def artists(self, asked: Ordinals) -> npt.NDArray[np.bool_]:
        """Tell which of these artists are touched."""
        touched: npt.NDArray[np.bool_] = self._voices[asked]
        return touched

    def contents(self, asked: Ordinals) -> npt.NDArray[np.bool_]:
        """Tell which of these contents are touched, or have a rightsholder who is."""
        known = self._rightsholders
        touched: npt.NDArray[np.bool_] = self._contents[asked]
        touched |= self._voices[known.first.values[asked]] & (known.number(asked) > 0)
        others = np.maximum(known.number(asked) - 1, 0)
        several = np.flatnonzero(others)
        if len(several):
            places = known.place.values[asked[several]].astype(np.int64)
            voices = known.links.values[spread(places, others[several])]
            firsts = np.cumsum(others[several]) - others[several]
            touched[several] |= np.logical_or.reduceat(self._voices[voices], firsts)
        return touched
