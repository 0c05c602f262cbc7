"""A chain of its own for each sequence of calls."""

from collections.abc import Iterator

import pytest
from web3 import HTTPProvider, Web3

from chain.localnet import local_chain


@pytest.fixture
def web3() -> Iterator[Web3]:
    with local_chain() as url:
        yield Web3(HTTPProvider(url))
