"""The cycle that disproves a diagonal which is too low."""

from heapq import heappop, heappush

from eth_typing import ChecksumAddress

from chain.parameters import FIXED_ONE
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.row_arithmetic import follow

# Accounts of a cycle besides the one that it is shown for: `MAX_CYCLE` of the contract.
LONGEST = 64


def likeliest_cycle(graph: BoundaryGraph, stop: int, account: ChecksumAddress) -> tuple[list[ChecksumAddress], int]:
    """The accounts between `account` and itself on its likeliest cycle, and the probability to come back by it.

    That is `MeritRow.follow`'s, in units of 2^-44; 0 where there is no cycle that the contract takes.
    Dijkstra's search, largest product first.
    """
    before: dict[ChecksumAddress, ChecksumAddress] = {}
    queue = [(-FIXED_ONE, 0, account, account)]
    done: set[ChecksumAddress] = set()
    while queue:
        negated, length, here, via = heappop(queue)
        if here in done and here != account:
            continue
        if length:
            before[here] = via
        if here == account and length:
            return _way_back(before, account), -negated
        done.add(here)
        for to, weight in graph.trusted.get(here, {}).items():
            probability = follow(stop, weight, graph.trust_strength[here], -negated)
            if probability and length <= LONGEST and (to not in done or to == account):
                heappush(queue, (-probability, length + 1, to, here))
    return [], 0


def _way_back(before: dict[ChecksumAddress, ChecksumAddress], account: ChecksumAddress) -> list[ChecksumAddress]:
    cycle = []
    at = before[account]
    while at != account:
        cycle.append(at)
        at = before[at]
    return cycle[::-1]
