import asyncio
import contextlib

import pytest

from hebblab.serving.room import Full, Hasty, Limits, Room


class FakeKernels:
    """Kernels that are nothing but names."""

    def __init__(self):
        self.running = []
        self.connected = {}
        self.lowered = []
        self.work = 0.0
        self.told = []

    def __contains__(self, kernel_id):
        return kernel_id in self.running

    async def alive(self, kernel_id):
        return kernel_id in self.running

    def sockets(self, kernel_id):
        return self.connected.get(kernel_id, 0)

    def lower(self, kernel_id, niceness):
        self.lowered.append((kernel_id, niceness))
        return len(self.lowered) > 1

    def worked(self, kernel_id):
        return self.work

    def part(self, kernel_id):
        self.told.append(kernel_id)

    async def shutdown_kernel(self, kernel_id, now=False):
        self.running.remove(kernel_id)

    async def end_all(self):
        self.running.clear()


class World:
    """A room, its kernels, and a clock that a test turns."""

    def __init__(self, **limits):
        self.now = 0.0
        self.kernels = FakeKernels()
        self.queries = []
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.room = Room(self.kernels, self.render, Limits(**limits), lambda: self.now)

    async def render(self, seat, query):
        self.queries.append(query)
        await self.gate.wait()
        if self.broken:
            raise OSError("no more processes")
        seat.kernel_id = f"kernel-{len(self.queries)}"
        self.kernels.running.append(seat.kernel_id)
        yield "a"
        yield "b"

    async def visit(self, **given):
        seat = self.room.take("10.0.0.1", **given)
        page = "".join([piece async for piece in seat.page()])
        self.room.hand_over(seat)
        return seat, page

    async def later(self, seconds):
        self.now += seconds
        await self.room.sweep()
        for _ in range(20):
            await asyncio.sleep(0)


def lived(test):
    """Run a test in an event loop, and leave no task behind in it."""

    def run():
        async def whole():
            await test()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run(whole())

    run.__name__ = test.__name__
    return run


@lived
async def test_a_visitor_gets_the_seat_that_was_prepared():
    world = World(visitors=2, spare=1)
    await world.later(0)
    assert world.kernels.running == ["kernel-1"]
    seat, page = await world.visit()
    assert (seat.kernel_id, page) == ("kernel-1", "ab")
    assert len(world.queries) == 1


@lived
async def test_the_next_seat_is_prepared_when_things_are_calm():
    world = World(visitors=9, spare=1, calm=5.0)
    await world.later(0)
    await world.visit()
    await world.later(4.0)
    assert len(world.queries) == 1
    await world.later(1.5)
    assert len(world.queries) == 2


@lived
async def test_a_page_with_a_query_gets_a_kernel_that_knows_it():
    world = World(visitors=2, spare=1)
    await world.later(0)
    seat, _ = await world.visit(query="preset=oja")
    assert world.queries == ["", "preset=oja"]
    assert seat.kernel_id == "kernel-2"


@lived
async def test_a_full_room_starts_no_kernel_and_one_who_leaves_makes_room():
    world = World(visitors=2, spare=0)
    first, _ = await world.visit()
    await world.visit()
    with pytest.raises(Full):
        world.room.take("10.0.0.1")
    assert len(world.queries) == 2
    assert world.room.leave(first.kernel_id)
    await world.later(0)
    assert first.kernel_id not in world.kernels.running
    await world.visit()
    assert world.room.visitors == 2


@lived
async def test_no_seat_is_prepared_beyond_the_limit():
    world = World(visitors=1, spare=3)
    await world.later(0)
    await world.later(10)
    assert len(world.queries) == 1
    await world.visit()
    await world.later(10)
    assert len(world.queries) == 1


@lived
async def test_one_address_may_not_open_many_pages_in_a_minute():
    world = World(visitors=99, spare=0, starts_a_minute=3)
    for _ in range(3):
        world.room.take("10.0.0.1", local=False)
    with pytest.raises(Hasty):
        world.room.take("10.0.0.1", local=False)
    world.room.take("10.0.0.2", local=False)
    world.room.take("127.0.0.1", local=True)


@lived
async def test_thirty_behind_one_address_come_in_and_one_who_comes_and_goes_is_slowed():
    world = World(visitors=30, spare=0, starts_a_minute=30)
    seats = [world.room.take("10.0.0.1", local=False) for _ in range(30)]
    with pytest.raises(Full):
        world.room.take("10.0.0.1", local=False)
    await world.later(0)
    world.room.free(seats[0])
    await world.later(0)
    with pytest.raises(Hasty):
        world.room.take("10.0.0.1", local=False)
    world.room.take("10.0.0.2", local=False)


@lived
async def test_a_kernel_whose_page_never_connects_ends():
    world = World(visitors=2, spare=1, connect=30.0)
    await world.later(0)
    seat, _ = await world.visit()
    await world.later(29.0)
    assert seat.kernel_id in world.kernels.running
    await world.later(2.0)
    assert seat.kernel_id not in world.kernels.running
    assert world.room.visitors == 0


@lived
async def test_a_seat_that_waits_for_a_visitor_is_spared():
    world = World(visitors=2, spare=1)
    await world.later(0)
    await world.later(100_000.0)
    assert world.kernels.running == ["kernel-1"]


@lived
async def test_signs_of_life_keep_a_slow_page_but_not_for_ever():
    world = World(visitors=2, spare=0, connect=30.0, patience=120.0)
    seat, _ = await world.visit()
    for _ in range(4):
        await world.later(25.0)
        world.room.sign_of_life(seat.kernel_id)
    assert seat.kernel_id in world.kernels.running
    await world.later(25.0)
    assert seat.kernel_id not in world.kernels.running


@lived
async def test_scripts_that_are_fetched_show_that_pages_of_that_machine_still_load():
    world = World(visitors=3, spare=0, connect=30.0, patience=120.0)
    seat, _ = await world.visit()
    other = world.room.take("10.0.0.2")
    await world.later(0)
    world.room.hand_over(other)
    for _ in range(4):
        await world.later(25.0)
        world.room.loading("10.0.0.1")
    assert seat.kernel_id in world.kernels.running
    assert other.kernel_id not in world.kernels.running
    await world.later(25.0)
    assert seat.kernel_id not in world.kernels.running


@lived
async def test_a_kernel_yields_once_its_page_is_there_and_until_then_starts_unhindered():
    world = World(visitors=2, spare=1)
    await world.later(0)
    seat, _ = await world.visit()
    await world.later(1.0)
    assert world.kernels.lowered == []
    world.kernels.connected[seat.kernel_id] = 1
    for _ in range(4):  # the system may refuse the first time
        await world.later(1.0)
    assert world.kernels.lowered == [(seat.kernel_id, 10)] * 2
    # In a small room it goes no further back, however long it trains.
    world.kernels.work = 1000.0
    await world.later(1.0)
    assert world.kernels.lowered == [(seat.kernel_id, 10)] * 2


@lived
async def test_in_a_crowd_a_kernel_that_trains_goes_behind_those_whose_page_only_opens():
    world = World(visitors=2, spare=0, crowd=1)
    seat, _ = await world.visit()
    world.kernels.connected[seat.kernel_id] = 1
    for _ in range(2):
        await world.later(1.0)
    world.kernels.lowered.clear()
    await world.visit()
    await world.later(1.0)
    assert world.kernels.lowered == []
    world.kernels.work = 5.0
    for _ in range(3):
        await world.later(1.0)
    assert world.kernels.lowered == [(seat.kernel_id, 17)] * 2  # refused the first time


@lived
async def test_an_open_page_keeps_its_kernel_and_a_lost_one_gets_ten_minutes():
    world = World(visitors=2, spare=0)
    seat, _ = await world.visit()
    world.kernels.connected[seat.kernel_id] = 1
    for _ in range(10):
        await world.later(3600.0)
    assert seat.kernel_id in world.kernels.running
    world.kernels.connected[seat.kernel_id] = 0
    await world.later(599.0)
    assert seat.kernel_id in world.kernels.running
    world.kernels.connected[seat.kernel_id] = 1
    await world.later(599.0)
    world.kernels.connected[seat.kernel_id] = 0
    await world.later(601.0)
    assert seat.kernel_id not in world.kernels.running


@lived
async def test_a_kernel_that_died_frees_its_seat():
    world = World(visitors=1, spare=0)
    seat, _ = await world.visit()
    world.kernels.running.clear()
    await world.later(0)
    assert world.room.visitors == 0
    await world.visit()
    assert seat not in world.room._taken


@lived
async def test_a_visitor_who_leaves_while_the_kernel_starts_leaves_none():
    world = World(visitors=1, spare=0)
    world.gate.clear()
    seat = world.room.take("10.0.0.1")
    await world.later(0)
    world.room.free(seat)
    await world.later(0)
    world.gate.set()
    await world.later(0)
    assert world.kernels.running == [] and len(world.queries) == 1


@lived
async def test_a_seat_is_taken_until_its_kernel_has_ended():
    world = World(visitors=1, spare=0)
    world.gate.clear()
    for _ in range(3):
        with contextlib.suppress(Full):
            world.room.free(world.room.take("10.0.0.1"))
        await world.later(0)
    assert len(world.queries) == 1 and world.room.visitors == 1
    world.gate.set()
    await world.later(0)
    assert world.room.visitors == 0


@lived
async def test_a_page_that_cannot_be_made_frees_its_seat_and_is_not_tried_in_a_rush():
    world = World(visitors=2, spare=1)
    world.broken = True
    await world.later(0)
    await world.later(1.0)
    await world.later(10.0)
    assert len(world.queries) == 1
    seat, page = await world.visit()
    assert seat.gone and page == ""
    await world.later(0)
    assert world.room.visitors == 0
    world.broken = False
    await world.later(60.0)
    assert world.kernels.running == ["kernel-3"]


@lived
async def test_a_page_that_takes_long_breathes():
    world = World(visitors=1, spare=0)
    world.gate.clear()
    seat = world.room.take("10.0.0.1")
    pieces = seat.page(breath=0.001)
    assert await anext(pieces) == ""
    world.gate.set()
    assert [piece async for piece in pieces if piece] == ["a", "b"]


@lived
async def test_a_closed_room_ends_all_and_lets_nobody_in():
    world = World(visitors=3, spare=1)
    await world.later(0)
    await world.visit()
    await world.later(10.0)
    assert len(world.kernels.running) == 2
    await world.room.close()
    assert world.kernels.running == []
    with contextlib.suppress(Full):
        world.room.take("10.0.0.1")
        raise AssertionError("a closed room gave a seat away")
