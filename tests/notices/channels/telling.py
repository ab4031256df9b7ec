"""What the channels' tests tell, to whom, and the clock they tell it by."""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from service.domain.instant import DAY, SECOND, parse_instant
from service.notices.channels.channel import Addressee, Message, Text

NOW: Final = parse_instant("2026-03-01T12:00:00Z")
WORDS: Final = "# Generative music\n\nWe <train> models & more on your tracks."

ANY_TEXT: Final = st.text(st.characters(exclude_categories=()))
"""Text as a stranger's bytes can become it: halves of surrogate pairs included."""


@dataclass
class StoppedClock:
    """Both clocks of a machine, moved by hand."""

    now_us: int = NOW
    monotonic_us: int = 5 * SECOND

    def now(self) -> int:
        """The wall clock."""
        return self.now_us

    def monotonic(self) -> int:
        """The clock that never goes back."""
        return self.monotonic_us

    def advance(self, microseconds: int) -> None:
        """Let time pass on both."""
        self.now_us += microseconds
        self.monotonic_us += microseconds


def message(**changes: Any) -> Message:
    """A notice of a use with two recipients, told in English and German."""
    base = Message(
        notice_id="training.generative.music:2",
        use="training.generative.music",
        version=2,
        recipients=("internal", "partner:tuney"),
        window=30 * DAY,
        texts={"en": text(WORDS), "de": text("# Generative Musik")},
        occurred_at=NOW - SECOND,
        names={"en": "Generative music", "de": "Generative Musik"},
    )
    return dataclasses.replace(base, **changes)


def text(words: str) -> Text:
    """Words with their hash."""
    return Text(words, hashlib.sha256(words.encode()).hexdigest())


def artist(n: int, **changes: Any) -> Addressee:
    """The nth artist, who has an address and a link."""
    base = Addressee(
        artist_id=f"artist-{n}",
        subject=f"{n:032x}",
        email=f"artist{n}@mail.example",
        locale="en",
        opt_out_link=f"https://fermata.example/no/token{n}",
    )
    return dataclasses.replace(base, **changes)
