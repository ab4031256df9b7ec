"""What of a count may be public: nothing that tells of a group of fewer than ten artists.

A small group is not given, neither how many artists it has nor how much content. A total counts
what is given beside it and nothing else, or the small group could be found by taking the others
away from it; it says that it is at least so much. Nobody is what everybody may know: a group
without any artist is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

FEWEST: Final = 10
"""Artists from which on a group is given."""

SMALL: Final = f"fewer than {FEWEST} artists"
Given: TypeAlias = dict[str, int | str | None]
"""`artists`, `content` (where that was counted) and `withheld`: why they are null, or null.

A total has `at_least` besides: whether a group that is not given would add to it.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """How many artists, and how much content of theirs, where that is counted at all."""

    artists: int
    content: int | None = None

    @property
    def is_small(self) -> bool:
        """Whether it is too small to be given."""
        return 0 < self.artists < FEWEST


def given(group: Group) -> Given:
    """Return a group as it may be public."""
    return _withheld(group, SMALL) if group.is_small else _as_it_is(group)


def given_total(shown: Group, groups: Sequence[Group]) -> Given:
    """Return a total of groups as it may be public; `shown` is that of those that are given."""
    small = [group for group in groups if group.is_small]
    if small and len(small) == len(groups):
        return _withheld(shown, f"{SMALL} in each group") | {"at_least": False}
    return _as_it_is(shown) | {"at_least": bool(small)}


def _as_it_is(group: Group) -> Given:
    content: Given = {} if group.content is None else {"content": group.content}
    return {"artists": group.artists, **content, "withheld": None}


def _withheld(group: Group, why: str) -> Given:
    content: Given = {} if group.content is None else {"content": None}
    return {"artists": None, **content, "withheld": why}
