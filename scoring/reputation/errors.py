"""What can be wrong with a feedback graph or a question to it. Each message names the culprit and says what to do."""

from collections.abc import Hashable


class ReputationError(ValueError):
    """Base of every error that the reputation engine raises on purpose."""


class SelfEdgeError(ReputationError):
    def __init__(self, node: Hashable) -> None:
        super().__init__(f"edge {node!r} -> {node!r}: a node cannot vouch for itself; leave the edge out")
        self.node = node


class InvalidWeightError(ReputationError):
    def __init__(self, source: Hashable, target: Hashable, weight: object) -> None:
        super().__init__(
            f"edge {source!r} -> {target!r}: the weight {weight!r} is not a finite number above zero; "
            "use remove_edge to delete an edge and set_distrust for distrust"
        )
        self.source, self.target, self.weight = source, target, weight


class UnknownEdgeError(ReputationError):
    def __init__(self, source: Hashable, target: Hashable) -> None:
        super().__init__(f"edge {source!r} -> {target!r} is not in the graph; there is nothing to remove")
        self.source, self.target = source, target


class UnknownNodeError(ReputationError):
    def __init__(self, node: Hashable) -> None:
        super().__init__(f"node {node!r} is not in the graph; add an edge that touches it, or call add_node first")
        self.node = node


class InvalidSeedError(ReputationError):
    """The seed distribution is empty or holds a weight that is not a finite number above zero."""


class InvalidParameterError(ReputationError):
    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; it must be {allowed}")
        self.name, self.value = name, value


class GraphTooLargeError(ReputationError):
    """The exact answer to this question would need more work or memory than its stated limit."""


class MissingRayError(ReputationError):
    def __init__(self) -> None:
        super().__init__("scoring on several machines needs Ray; install it with `pip install merit[ray]`")


class EdgeListError(ReputationError):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason
