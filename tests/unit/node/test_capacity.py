"""Whether there is time for another audit."""

from hypothesis import given
from hypothesis import strategies as st

from verifier.node.capacity import Capacity


def test_admits__nothing_measured_yet__everything() -> None:
    assert Capacity(1).admits(waiting=100, seconds_left=1)


def test_admits__queue_as_long_as_the_time_left__nothing_more() -> None:
    capacity = Capacity(2)
    capacity.took(10)
    assert capacity.admits(waiting=1, seconds_left=10)
    assert not capacity.admits(waiting=2, seconds_left=19)
    assert capacity.admits(waiting=2, seconds_left=20)


@given(st.lists(st.floats(0.01, 1000), min_size=1))
def test_average__any_lengths__between_the_shortest_and_the_longest(lengths: list[float]) -> None:
    capacity = Capacity(1)
    for length in lengths:
        capacity.took(length)
    assert min(lengths) * 0.999 <= capacity.average <= max(lengths) * 1.001
