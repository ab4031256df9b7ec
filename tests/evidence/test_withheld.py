"""What of a count may be public."""

from hypothesis import given as when
from hypothesis import strategies as st

from service.evidence.withheld import FEWEST, Group, given, given_total

groups = st.builds(
    lambda artists, more: Group(artists, artists + more), st.integers(0, 25), st.integers(0, 99)
)


def test_small_groups_are_not_given() -> None:
    """Neither their artists nor how much content they have; nobody at all is given."""
    small = {"artists": None, "content": None, "withheld": "fewer than 10 artists"}
    assert given(Group(1, 5_000)) == given(Group(FEWEST - 1, 9)) == small
    assert given(Group(0, 3)) == {"artists": 0, "content": 3, "withheld": None}
    assert given(Group(FEWEST, 12)) == {"artists": 10, "content": 12, "withheld": None}
    assert given(Group(4)) == {"artists": None, "withheld": "fewer than 10 artists"}


@when(st.lists(groups, max_size=6))
def test_a_total_tells_nothing_of_a_small_group(parts: list[Group]) -> None:
    """It is the sum of what is given, whatever the small ones are; and it says so."""
    shown = [part for part in parts if not part.is_small]
    total = Group(sum(part.artists for part in shown), sum(part.content or 0 for part in shown))
    said = given_total(total, parts)
    small = len(parts) - len(shown)
    if small and not shown:
        assert (said["artists"], said["content"]) == (None, None)
        assert said["withheld"]
    else:
        assert (said["artists"], said["content"]) == (total.artists, total.content)
        assert said["at_least"] == (small > 0)
