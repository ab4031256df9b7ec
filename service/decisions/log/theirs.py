"""What decisions are about one artist: those about themselves, and about content that was theirs.

    theirs = await theirs_of(session, subject, most=MOST_STRETCHES)
    theirs.has("content", "track-1", revision)    # did they hold a right in it at that revision?

Decisions about a track name the track alone; whose it was when it was decided about, the ledger's
prefix that the decision is a function of says (docs/decisions/0034).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import text

from service.db.engine import ReadSession
from service.decisions.question import About

MOST_STRETCHES: Final = 100_000
"""Of content held from one revision to another, that one artist is looked up with at once."""

Stretch: TypeAlias = tuple[str, int, int]
"""Content, the revision from which on it was held, and the one from which on no longer."""

FOR_EVER: Final = (1 << 63) - 1

HELD: Final = """
SELECT content_id, revision, until, status, until_at FROM (
    SELECT content_id, revision, status, rightsholders,
        lead(revision) OVER later AS until, lead(put_at) OVER later AS until_at
    FROM content_history WHERE content_id IN (
        SELECT content_id FROM content_history WHERE rightsholders @> ARRAY[{subject}]::text[]
    )
    WINDOW later AS (PARTITION BY content_id ORDER BY revision)
) held WHERE rightsholders @> ARRAY[{subject}]::text[]
"""
"""All stretches of one artist's, whose reference is `{subject}`; null in `until` is for ever."""

STRETCHES: Final = f"SELECT content_id, revision, until FROM ({HELD}) theirs"  # noqa: S608 - no value stands in it
_NEWEST: Final = text(f"{STRETCHES.format(subject=':subject')} ORDER BY revision DESC LIMIT :most")


@dataclass(frozen=True, slots=True)
class Theirs:
    """One artist, by reference, and the stretches of revisions in which content was theirs.

    `contents` are the ids without repetition; both are in order. `whole` is False where there is
    more than was asked for: then the content that they were given last is here.
    """

    subject: str
    stretches: Sequence[Stretch]
    contents: Sequence[str]
    whole: bool

    @classmethod
    def of(cls, subject: str, rows: Iterable[Any], *, whole: bool = True) -> Self:
        """Return it of rows of `STRETCHES`."""
        stretches = sorted(
            (content, begins, FOR_EVER if ends is None else ends) for content, begins, ends in rows
        )
        return cls(subject, stretches, sorted({content for content, _, _ in stretches}), whole)

    def has(self, about: str, one: str, revision: int) -> bool:
        """Whether what was asked about is the artist, or was theirs at that revision."""
        if about == About.ARTISTS:
            return one == self.subject
        place = bisect_right(self.stretches, (one, revision, FOR_EVER)) - 1
        if place < 0:
            return False
        content, begins, ends = self.stretches[place]
        return content == one and begins <= revision < ends

    def former(self) -> Sequence[str]:
        """Return the content that is not theirs any more."""
        now = {content for content, _, ends in self.stretches if ends == FOR_EVER}
        return [content for content in self.contents if content not in now]

    def among(self, outcomes: pa.RecordBatch) -> pa.BooleanArray:
        """Return for each outcome whether it is one of theirs."""
        ever = pc.or_(
            pc.equal(outcomes["one"], self.subject),
            pc.is_in(outcomes["one"], value_set=pa.array(self.contents, pa.string())),
        )
        places = pc.indices_nonzero(ever)
        some = (outcomes[name].take(places).to_pylist() for name in ("about", "one", "revision"))
        then = pa.array(map(self.has, *some), pa.bool_())
        return pc.replace_with_mask(ever, ever, then)

    def any_between(self, first: tuple[str, str], last: tuple[str, str]) -> bool:
        """Whether anything of theirs is from one end to another: what was asked about, and the one.

        Ends are in the order of their bytes, as in sealed files.
        """
        if first <= (About.ARTISTS.value, self.subject) <= last:
            return True
        place = bisect_left(self.contents, first, key=_content)
        return place < len(self.contents) and _content(self.contents[place]) <= last


async def theirs_of(session: ReadSession, subject: str, *, most: int) -> Theirs:
    """Return what is and was one artist's: up to so many stretches, the newest."""
    rows = (await session.execute(_NEWEST, {"subject": subject, "most": most + 1})).all()
    return Theirs.of(subject, rows[:most], whole=len(rows) <= most)


def _content(one: str) -> tuple[str, str]:
    return About.CONTENT.value, one
