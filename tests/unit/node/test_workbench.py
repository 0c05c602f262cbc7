"""The workbench keeps few models in memory, however many jobs name others."""

from types import SimpleNamespace
from typing import Any, cast

from verifier.node.specification import Specification
from verifier.node.workbench import MOST_LOADED, LocalWorkbench
from verifier.workloads.workload import Workload


def specification(number: int) -> Specification:
    return Specification("inference", "text-generation", number.to_bytes(32, "big"))


def test_words__more_specifications_than_fit__those_asked_for_last_are_kept() -> None:
    loads: list[Specification] = []

    def load(wanted: Specification) -> Workload[Any, Any]:
        loads.append(wanted)
        return cast(Workload[Any, Any], SimpleNamespace(profile=SimpleNamespace(lattice=SimpleNamespace(words=2))))

    bench = LocalWorkbench(load)
    first, *others = (specification(number) for number in range(MOST_LOADED + 1))
    for wanted in (first, *others[:-1], first, others[-1], first):
        assert bench.words(wanted) == 2
    assert loads == [first, *others]
    bench.words(others[0])
    assert loads == [first, *others, others[0]]
