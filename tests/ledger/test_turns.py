"""Small writes go together, large ones alone, and neither kind waits for ever."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.ledger.turns import Turns

MOST = 3


async def all_turns(waiting: list[bool]) -> list[list[tuple[int, bool]]]:
    """Queue these, large or not, and take them all."""
    turns = Turns[tuple[int, bool]]()
    for number, large in enumerate(waiting):
        turns.put_nowait((number, large), large=large)
    groups = []
    while turns.qsize():
        groups.append(await turns.next_group(MOST))
    return groups


@given(st.lists(st.booleans(), max_size=30))
def test_everybody_has_a_turn_in_the_order_of_their_kind(waiting: list[bool]) -> None:
    """Nobody is lost or taken twice; a large one is alone; groups are as large as they may be."""
    groups = asyncio.run(all_turns(waiting))
    for kind in (False, True):
        taken = [number for group in groups for number, large in group if large is kind]
        assert taken == [number for number, large in enumerate(waiting) if large is kind]
    assert all(len(group) == 1 for group in groups if group[0][1])
    assert all(len(group) <= MOST for group in groups)


@given(st.lists(st.booleans(), max_size=30))
def test_kinds_take_turns_while_both_wait(waiting: list[bool]) -> None:
    """Small ones come between any two large ones, and large ones between any two groups of them."""
    groups = asyncio.run(all_turns(waiting))
    kinds = [group[0][1] for group in groups]
    while kinds and len(set(kinds)) == 2:
        first, second = kinds[:2]
        assert first is not second
        kinds.pop(0)
    assert all(one is other for one, other in pairwise(kinds))


async def test_who_waits_for_a_group_gets_the_next_that_comes() -> None:
    """Also where it is a large one, and after what waited has been drained."""
    turns = Turns[str]()
    turns.put_nowait("shut out")
    assert list(turns.drain()) == ["shut out"]
    for large in (False, True):
        waiting = asyncio.create_task(turns.next_group(MOST))
        await asyncio.sleep(0)
        turns.put_nowait("one", large=large)
        assert await waiting == ["one"]
