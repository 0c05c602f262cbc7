"""Reading contracts: failures of the endpoint and refusals of the contracts as the errors that people are shown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import requests
from web3 import HTTPProvider, Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, Web3Exception
from web3.types import RPCEndpoint

from chain.errors import ChainUnavailableError
from chain.reverts import explain_revert

_BATCH = 500


@contextmanager
def reading() -> Iterator[None]:
    """Whatever an endpoint fails with meanwhile becomes `ChainUnavailableError`."""
    try:
        yield
    except (requests.RequestException, Web3Exception, OSError, ValueError) as error:
        raise ChainUnavailableError(f"The chain does not answer as it should ({type(error).__name__}).") from error


def read(call: ContractFunction) -> Any:
    """The answer of a view. Raises `TransactionRevertedError` or `ChainUnavailableError`."""
    try:
        return call.call()
    except ContractLogicError as error:
        raise explain_revert(error) from error
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error


def read_many(web3: Web3, address: str, calls: Sequence[bytes]) -> list[bytes]:
    """The encoded answers of many encoded calls to one contract, a few hundred in each request.

    Raises `ChainUnavailableError` where the endpoint does not answer all of them.
    """
    provider: Any = web3.provider
    answers: list[bytes] = []
    for start in range(0, len(calls), _BATCH):
        batch: list[tuple[RPCEndpoint, Any]] = [
            (RPCEndpoint("eth_call"), [{"to": address, "data": "0x" + call.hex()}, "latest"])
            for call in calls[start : start + _BATCH]
        ]
        try:
            if isinstance(provider, HTTPProvider):
                found = cast(list[Any], provider.make_batch_request(batch))
            else:  # several endpoints in one, which choose for each question
                found = [provider.make_request(method, parameters) for method, parameters in batch]
            answers += [bytes.fromhex(answer["result"][2:]) for answer in found]
        except (requests.RequestException, Web3Exception, ValueError, KeyError, TypeError) as error:
            raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error
    if len(answers) != len(calls):
        raise ChainUnavailableError("The chain left questions unanswered; check the RPC endpoint.")
    return answers
