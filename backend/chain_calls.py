"""Reading contracts: failures of the endpoint and refusals of the contracts as the errors that people are shown."""

from typing import Any

import requests
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, Web3Exception

from chain.errors import ChainUnavailableError
from chain.reverts import explain_revert


def read(call: ContractFunction) -> Any:
    """The answer of a view. Raises `TransactionRevertedError` or `ChainUnavailableError`."""
    try:
        return call.call()
    except ContractLogicError as error:
        raise explain_revert(error) from error
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error
