"""The cycle that shows how often walks come back."""

import itertools

from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chain.parameters import FIXED_ONE
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.cycles import LONGEST, likeliest_cycle
from verifier.epochs.row_arithmetic import follow

NAMES = [to_checksum_address(f"0x{number + 1:040x}") for number in range(80)]
HALF = FIXED_ONE // 2


def graph_of(edges: dict[tuple[int, int], int]) -> BoundaryGraph:
    graph = BoundaryGraph()
    for (source, target), weight in edges.items():
        graph.trusting.setdefault(NAMES[target], {})[NAMES[source]] = weight
    return graph


def test_cycle__of_two_ways_back__is_the_likelier() -> None:
    graph = graph_of({(0, 1): 3, (1, 0): 1, (0, 2): 1, (2, 3): 1, (3, 0): 1})
    assert likeliest_cycle(graph, HALF, NAMES[0]) == ([NAMES[1]], FIXED_ONE * 3 // 16)
    assert likeliest_cycle(graph, HALF, NAMES[2]) == ([NAMES[3], NAMES[0]], FIXED_ONE // 32)


def test_cycle__where_there_is_none__is_empty() -> None:
    graph = graph_of({(0, 1): 1, (1, 2): 1, (2, 1): 1})
    assert likeliest_cycle(graph, HALF, NAMES[0]) == ([], 0)


def test_cycle__longer_than_the_contract_takes__is_not_given() -> None:
    """A ring of 65 more accounts is one too long; by stop 2^-44 its probability would not be zero."""
    for size, found in ((LONGEST + 1, LONGEST), (LONGEST + 2, 0)):
        ring = graph_of({(at, (at + 1) % size): 1 for at in range(size)})
        assert len(likeliest_cycle(ring, 1, NAMES[0])[0]) == found


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] != pair[1]),
        st.integers(1, 100),
        min_size=1,
    )
)
def test_cycle__of_any_graph__has_the_probability_that_the_contract_computes(edges: dict[tuple[int, int], int]) -> None:
    graph = graph_of(edges)
    for name in graph.accounts:
        cycle, probability = likeliest_cycle(graph, HALF, name)
        assert bool(cycle) == (probability > 0)
        if cycle:
            followed, way = FIXED_ONE, [name, *cycle, name]
            for here, to in itertools.pairwise(way):
                followed = follow(HALF, graph.trusted[here][to], graph.trust_strength[here], followed)
            assert followed == probability
