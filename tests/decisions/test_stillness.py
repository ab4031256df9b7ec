"""Who holds the index keeps it as it is, and nobody is kept waiting for ever."""

import asyncio

from service.decisions.stillness import Stillness


async def _turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


class Order:
    """What happened, in order."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.stillness = Stillness()
        self.happened: list[str] = []

    async def move(self, name: str) -> None:
        """Change the index as soon as it may be changed."""
        await self.stillness.leave_to_move()
        self.happened.append(name)

    async def hold(self, name: str, until: asyncio.Event) -> None:
        """Hold the index until told to let go."""
        async with self.stillness.held():
            self.happened.append(f"{name} holds")
            await until.wait()
            self.happened.append(f"{name} lets go")


async def test_who_finds_nobody_holding_need_not_wait() -> None:
    """An event costs nothing more where no long answer is under way."""
    order = Order()
    await order.move("event")
    assert order.happened == ["event"]


async def test_an_event_waits_for_all_who_hold() -> None:
    """Not for the first alone."""
    order, first, second = Order(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(order.hold("first", first))
        group.create_task(order.hold("second", second))
        await _turns()
        group.create_task(order.move("event"))
        await _turns()
        first.set()
        await _turns()
        assert "event" not in order.happened
        second.set()
    assert order.happened[-2:] == ["second lets go", "event"]


async def test_who_comes_while_an_event_waits_lets_it_go_first() -> None:
    """However many long answers come, one after the other, an event is never kept out by them."""
    order, first, later = Order(), asyncio.Event(), asyncio.Event()
    later.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(order.hold("first", first))
        await _turns()
        group.create_task(order.move("event"))
        await _turns()
        for number in range(3):
            group.create_task(order.hold(f"later {number}", later))
        await _turns()
        assert order.happened == ["first holds"]
        first.set()
    assert order.happened[1:3] == ["first lets go", "event"]
    assert len(order.happened) == 3 + 3 * 2


async def test_who_gives_up_lets_go() -> None:
    """A client that leaves in the middle of its answer keeps no event waiting."""
    order = Order()
    holder = asyncio.create_task(order.hold("first", asyncio.Event()))
    await _turns()
    event = asyncio.create_task(order.move("event"))
    await _turns()
    holder.cancel()
    await event
    assert order.happened == ["first holds", "event"]


async def test_who_gives_up_waiting_disturbs_nobody() -> None:
    """Neither an event's follower that is stopped, nor an answer that was still waiting for it."""
    order, first, later = Order(), asyncio.Event(), asyncio.Event()
    later.set()
    holder = asyncio.create_task(order.hold("first", first))
    await _turns()
    event = asyncio.create_task(order.move("event"))
    await _turns()
    waiting = asyncio.create_task(order.hold("waiting", later))
    await _turns()
    waiting.cancel()
    event.cancel()
    await asyncio.gather(waiting, event, return_exceptions=True)
    first.set()
    await holder
    await order.hold("later", later)
    await order.move("another")
    assert order.happened[-3:] == ["later holds", "later lets go", "another"]
