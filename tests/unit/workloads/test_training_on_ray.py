"""The same payload of a round over a Ray cluster, one of whose workers dies."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scoring.training import shapley
from tests.unit.workloads.test_training import FAMILIES, Case
from verifier.training.cluster import ClusterError, RayMap
from verifier.workloads.training import open_round, value

ON_RAY = RayMap("auto")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two workers on this machine."""
    import ray  # noqa: PLC0415 (only the long tests start it)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.shutdown()


def fatal_once(grave: Path, function: Callable[[Any], Any], item: Any) -> Any:
    """Kills the worker that comes here first."""
    try:
        grave.touch(exist_ok=False)
    except FileExistsError:
        return function(item)
    os._exit(1)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_value__over_ray__same_payload(cluster: None, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapley, "_AT_ONCE", 8)
    case = Case(family)
    opened = open_round(case.blocks.get, case.job, case.domain, case.recorded)
    assert value(opened, mapper=ON_RAY).payload.hex() == case.told["payload"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_value__worker_dies__same_payload(cluster: None, tmp_path: Path) -> None:
    case, grave = Case(), tmp_path / "grave"

    def deadly(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        return ON_RAY(partial(fatal_once, grave, function), items)

    opened = open_round(case.blocks.get, case.job, case.domain, case.recorded)
    assert value(opened, mapper=deadly).payload.hex() == case.told["payload"]
    assert grave.exists()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("error", [ConnectionError(), ValueError(), SystemExit(15)], ids=repr)
def test_map__no_cluster__one_sentence(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray  # noqa: PLC0415 (only the long tests start it)

    def init(**options: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match=r"no Ray cluster at 10\.0\.0\.1:6379; check MERIT_RAY_ADDRESS"):
        RayMap("10.0.0.1:6379")(str, [1])


def test_value__ray_is_not_installed__says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    case = Case()
    opened = open_round(case.blocks.get, case.job, case.domain, case.recorded)
    with pytest.raises(ClusterError, match=r"pip install merit\[ray\]"):
        value(opened, mapper=ON_RAY)
