"""Histories of many artists: those whose instants are ordered alike meet those who look alike.

Each artist is told, and says things, at a time of their own while versions come and go; content is
put, taken over and put again in between. The wishes are those of `tests.domain.histories`.
"""

import random
from typing import Final

from service.domain.consent import Answer, Scope
from service.domain.events import ContentStatus
from service.domain.policy import Mode
from tests.domain.histories import (
    MUSIC,
    NODES,
    RECIPIENTS,
    VOICE,
    Deliver,
    Erase,
    Ledger,
    Publish,
    Put,
    Register,
    Say,
    Wish,
)

CROWD: Final = tuple(f"artist-{number:02}" for number in range(24))
WORKS: Final = tuple(f"work-{number}" for number in range(6))
TEMPERS: Final = {
    "everything": {"deliver": 9, "say": 8, "put": 4, "publish": 3, "register": 3, "erase": 1},
    "windows": {"deliver": 12, "publish": 4, "register": 3},
    "talk": {"say": 16, "publish": 3, "deliver": 2},
    "works": {"say": 12, "put": 9, "publish": 1, "deliver": 2, "register": 1, "erase": 2},
}
"""What is wished how often."""

_MODES: Final = (Mode.OPT_OUT, Mode.OPT_OUT, Mode.OPT_OUT, Mode.OPT_IN, Mode.PROHIBITED)


class Crowd:
    """Somebody who knows what to wish for next."""

    def __init__(self, rng: random.Random, temper: str) -> None:
        self._rng = rng
        self._weights = TEMPERS[temper]
        # Where single works are spoken of, few own them, so that one artist says many things.
        self._crowd = CROWD[:5] if temper == "works" else CROWD
        breadths = [(node, to) for node in NODES for to in (None, *RECIPIENTS)]
        self._breadths = rng.sample(breadths, rng.choice((1, 2, 5)))
        self._modes = rng.sample(_MODES, rng.choice((1, 2, 5)))
        self.ledger = Ledger()

    def live(self, wishes: int) -> Ledger:
        """Return a ledger in which so many wishes were tried."""
        if self._rng.random() < 0.5:
            self.ledger.grant([self._publish()])
        first = self._crowd[: self._rng.randrange(4, len(self._crowd))]
        self.ledger.grant(Register(1, artist) for artist in first)
        self.ledger.grant([self._publish(), *(self._put() for _ in WORKS)])
        kinds = self._rng.choices(tuple(self._weights), tuple(self._weights.values()), k=wishes)
        for kind in kinds:
            self.ledger.grant([self._wish(kind)])
        return self.ledger

    def _wish(self, kind: str) -> Wish:
        match kind:
            case "deliver":
                artists = self._rng.sample(self._crowd, self._rng.choice((1, 2, 2, 5)))
                back = self._rng.choice((0, 0, 0, 1, 2))
                return Deliver(self._pause(), self._use(), back, frozenset(artists))
            case "say":
                return self._say()
            case "put":
                return self._put()
            case "publish":
                return self._publish()
            case "register":
                return Register(self._pause(), self._rng.choice(self._crowd))
            case _:
                return Erase(self._pause(), self._rng.choice(self._crowd))

    def _put(self) -> Put:
        """A work is new, or changes hands altogether or in part."""
        content = self._rng.choice(WORKS)
        holders = self._rng.choices(
            self._crowd, k=self._rng.choice((0, 1, 1, 1, 2, 2, 3, 4, 5, 7, 70))
        )
        held, _ = self.ledger.history.content.get(content, (None, 0))
        if held is not None and self._rng.random() < 0.6:
            holders = [*held.rightsholders[-2:], *holders[:1]]
        status = self._rng.choice((*(ContentStatus.ACTIVE,) * 4, *ContentStatus))
        return Put(self._pause(), content, tuple(holders), status)

    def _say(self) -> Say:
        """Somebody speaks: of all their work, or of one that is theirs more often than not."""
        use, recipient = self._rng.choice(self._breadths)
        artist, content = self._rng.choice(self._crowd), None
        if self._rng.random() < 0.4:
            content = self._rng.choice(WORKS)
            item, _ = self.ledger.history.content.get(content, (None, 0))
            if item is not None and item.rightsholders and self._rng.random() < 0.8:
                artist = self._rng.choice(item.rightsholders)
        lasts = self._rng.choice((None, None, None, 1, 3, 5, 8))
        answer = self._rng.choice((Answer.OPT_IN, *Answer))
        return Say(self._pause(), artist, answer, Scope(use, content, recipient), lasts)

    def _publish(self) -> Publish:
        return Publish(
            after=self._pause(),
            use=self._use(),
            mode=self._rng.choice(self._modes),
            recipients=frozenset(self._rng.choice((RECIPIENTS, RECIPIENTS, RECIPIENTS[:1]))),
            longer=self._rng.choice((0, 0, 2)),
            words=self._rng.choice("AABC"),
            editorial=self._rng.random() < 0.3,
        )

    def _use(self) -> str:
        return self._rng.choice((MUSIC, MUSIC, MUSIC, MUSIC, VOICE))

    def _pause(self) -> int:
        return self._rng.choice((1, 1, 1, 1, 2))
