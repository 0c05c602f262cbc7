"""How often one caller may ask: a bucket of tokens for each, filled at a steady rate."""

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from threading import Lock

from backend.problems import ProblemError

BURST_SECONDS = 10.0  # what may be saved up
_CALLERS = 65_536  # remembered; whoever was silent for longest is forgotten first, with a full bucket


class RateLimit:
    """`rate` requests a second for each caller, and ten seconds' worth at once; each process counts for itself."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._most = max(rate * BURST_SECONDS, 1.0)
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def wait_of(self, caller: str) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.pop(caller, (self._most, now))
            tokens = min(self._most, tokens + max(now - since, 0.0) * self._rate)
            admitted = tokens >= 1
            self._buckets[caller] = (tokens - 1 if admitted else tokens, now)
            if len(self._buckets) > _CALLERS:
                self._buckets.popitem(last=False)
        return 0.0 if admitted else (1 - tokens) / self._rate

    def admit(self, caller: str) -> None:
        """Raise a 429 problem where there is no token."""
        wait = self.wait_of(caller)
        if wait > 0:
            raise too_many(wait)


def too_many(wait: float) -> ProblemError:
    """The refusal; `wait` in seconds."""
    seconds = math.ceil(wait)
    return ProblemError(
        429,
        "too-many-requests",
        f"This is more than one caller may ask; try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


@lru_cache(_CALLERS)
def caller_at(host: str) -> str:
    """Who is counted for an address: of IPv6, the network of 64 bits that one subscriber has."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64))
    return host
