"""What a transaction offers for its gas (EIP-1559), in wei per gas."""

from dataclasses import dataclass
from statistics import median

from web3 import Web3
from web3.types import Wei

from chain.errors import TransactionFailedError

_GWEI = 10**9
# Blocks whose tips are looked at.
_HISTORY = 10


class FeeAboveLimitError(TransactionFailedError):
    """The chain asks for more than the account's owner wants to pay."""


@dataclass(frozen=True)
class Fees:
    """The most that is paid per gas, and the part of it that goes to whoever builds the block."""

    most: int
    tip: int

    def raised(self, asked: "Fees", limit: int | None) -> "Fees | None":
        """Fees that may replace these: what is `asked` now, and an eighth more than before at least.

        Nodes accept a replacement only from 10 % on, of both amounts. None where that would exceed `limit`.
        """
        most, tip = max(asked.most, -(-self.most * 9 // 8)), max(asked.tip, -(-self.tip * 9 // 8))
        if limit is not None:
            least = -(-self.most * 9 // 8)
            if least > limit:
                return None
            most = min(most, limit)
        return Fees(most, min(tip, most))


def asked_fees(web3: Web3, limit: int | None) -> Fees:
    """What gets a transaction into one of the next blocks: the usual tip, and room for the base fee to double.

    One query, two where the last blocks hold no transactions. Raises `FeeAboveLimitError` where the next block's base
    fee alone exceeds `limit`.
    """
    history = web3.eth.fee_history(_HISTORY, "latest", [50])
    base = history["baseFeePerGas"][-1]
    paid = [rewards[0] for rewards in history.get("reward", []) if rewards[0] > 0]
    tip = int(median(paid)) if paid else web3.eth.max_priority_fee
    if limit is None:
        return Fees(Wei(2 * base + tip), tip)
    if base > limit:
        raise FeeAboveLimitError(
            f"The chain asks for {base / _GWEI:.3g} gwei per gas and the limit is {limit / _GWEI:.3g}; "
            "wait, or raise MERIT_MAX_FEE_GWEI."
        )
    most = min(2 * base + tip, limit)
    return Fees(most, min(tip, most))
