"""A feedback graph from text: one edge a line, `source,target,weight`."""

import csv
from collections.abc import Iterable

from scoring.reputation.errors import EdgeListError, ReputationError
from scoring.reputation.graph import FeedbackGraph

HEADER = ["source", "target", "weight"]


def read_edges(lines: Iterable[str]) -> FeedbackGraph:
    """The graph of comma-separated lines `source,target,weight`.

    A first line `source,target,weight` is a header. Without a weight an edge weighs 1. Nodes are text. Empty lines are
    skipped; an edge that stands twice is refused, since it is unclear which weight is meant. Raises `EdgeListError`,
    which names the line.
    """
    graph = FeedbackGraph()
    seen: dict[tuple[str, str], int] = {}
    reader = csv.reader(lines, strict=True)
    try:
        for fields in reader:
            entry = [field.strip() for field in fields]
            if not any(entry) or (not seen and [field.lower() for field in entry] == HEADER):
                continue
            if len(entry) not in {2, 3} or not all(entry):
                raise EdgeListError(reader.line_num, f"expected source,target,weight and found {','.join(fields)!r}")
            source, target = entry[0], entry[1]
            if (source, target) in seen:
                raise EdgeListError(
                    reader.line_num, f"edge {source!r} -> {target!r} stands on line {seen[source, target]} already"
                )
            seen[source, target] = reader.line_num
            try:
                graph.set_edge(source, target, float(entry[2]) if len(entry) == 3 else 1.0)
            except ReputationError as error:
                raise EdgeListError(reader.line_num, str(error)) from None
            except ValueError:
                raise EdgeListError(reader.line_num, f"the weight {entry[2]!r} is not a number") from None
    except csv.Error as error:
        raise EdgeListError(reader.line_num, f"not comma-separated text: {error}") from None
    return graph
