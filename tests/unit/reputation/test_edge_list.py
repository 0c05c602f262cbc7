"""Graphs from text."""

import pytest

from scoring.reputation import read_edges
from scoring.reputation.errors import EdgeListError


def test_read_edges__header_blank_lines_and_quotes__read():
    graph = read_edges(["source,target,weight\n", "a,b,2.5\n", "\n", '"x, y",b\n'])
    assert sorted(graph.edges()) == [("a", "b", 2.5), ("x, y", "b", 1.0)]


def test_read_edges__nothing__empty_graph():
    assert read_edges([]).node_count == 0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b,1", "c"], "line 2: expected source,target,weight"),
        (["a,b,1,2"], "line 1: expected source,target,weight"),
        (["a,b,"], "line 1: expected source,target,weight"),
        (["a,b,much"], "line 1: the weight 'much' is not a number"),
        (["a,b,nan"], "line 1: edge 'a' -> 'b': the weight nan"),
        (["a,b,inf"], "line 1: edge 'a' -> 'b'"),
        (["a,b,-1"], "line 1: edge 'a' -> 'b'"),
        (["a,b,1", "", "c,c,1"], "line 3: edge 'c' -> 'c'"),
        (["a,b,1", "a,b,2"], "line 2: edge 'a' -> 'b' stands on line 1 already"),
        (["a,b,1", 'c,"d'], "line 2: not comma-separated text"),
    ],
)
def test_read_edges__wrong_line__named(lines, message):
    with pytest.raises(EdgeListError, match=f"^{message}"):
        read_edges([line + "\n" for line in lines])
