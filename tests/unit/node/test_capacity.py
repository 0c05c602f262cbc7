"""Whether there is time for another audit."""

from verifier.node.capacity import Capacity


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_admits__nothing_measured_yet__everything() -> None:
    assert Capacity(Clock()).admits(waiting=100, seconds_left=1)


def test_admits__queue_as_long_as_the_time_left__nothing_more() -> None:
    clock = Clock()
    capacity = Capacity(clock)
    capacity.began()
    clock.time += 10
    capacity.ended()
    assert capacity.admits(waiting=1, seconds_left=20)
    assert not capacity.admits(waiting=2, seconds_left=29)


def test_average__four_side_by_side__a_quarter_of_their_length() -> None:
    clock = Clock()
    capacity = Capacity(clock)
    for _ in range(4):
        capacity.began()
        clock.time += 10
    for _ in range(50):  # each takes 40 seconds, and one ends every 10
        capacity.ended()
        capacity.began()
        clock.time += 10
    assert 9 < capacity.average < 11


def test_average__nothing_to_do_for_an_hour__not_counted() -> None:
    clock = Clock()
    capacity = Capacity(clock)
    for _ in range(3):
        capacity.began()
        clock.time += 5
        capacity.ended()
        clock.time += 3_600
    assert capacity.average == 5


def test_admits__idle_after_one_slow_examination__tries_again() -> None:
    clock = Clock()
    capacity = Capacity(clock)
    capacity.began()
    clock.time += 66
    capacity.ended()
    assert capacity.admits(waiting=0, seconds_left=30)
    assert not capacity.admits(waiting=1, seconds_left=30)
