"""Valuing large rounds over the workers of a Ray cluster.

Ray is an extra: `pip install merit[ray]`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from chain.errors import MeritError

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class ClusterError(MeritError):
    """A Ray cluster that cannot be used."""


@dataclass(frozen=True)
class RayMap:
    """A `Mapper` over the cluster at `address`, or over the one that the process has joined already.

    Items that were lost with their worker are mapped again, as often as it takes. Raises ClusterError.
    """

    address: str

    def __call__(self, function: Callable[[_Item], _Found], items: Iterable[_Item], /) -> Iterable[_Found]:
        try:
            import ray  # noqa: PLC0415 (an extra that most installations do not have)
        except ImportError:
            raise ClusterError("Valuing over a cluster needs Ray; install it with `pip install merit[ray]`.") from None
        if not ray.is_initialized():
            try:
                ray.init(address=self.address, log_to_driver=False)
            except (ConnectionError, ValueError, SystemExit) as error:  # Ray exits where nobody answers
                raise ClusterError(f"There is no Ray cluster at {self.address}; check MERIT_RAY_ADDRESS.") from error
        apply: Any = ray.remote(max_retries=-1)(_applied)
        shared = ray.put(function)
        found: list[_Found] = ray.get([apply.remote(shared, item) for item in items])
        return found


def _applied(function: Callable[[_Item], _Found], item: _Item) -> _Found:
    return function(item)
