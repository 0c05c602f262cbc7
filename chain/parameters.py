"""What a network is deployed with: economics, windows and the parameters of its reputation."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.errors import MeritError

TOKEN = 10**18
FIXED_ONE = 2**44


class InvalidParametersError(MeritError):
    """Parameters that no network can be deployed with."""


@dataclass(frozen=True)
class VaultParameters:
    """Token units, seconds, blocks."""

    minimum_stake: int = 100 * TOKEN
    unbonding_delay: int = 7 * 86_400
    period_blocks: int = 128


@dataclass(frozen=True)
class Windows:
    """`seed_delay` in blocks, the others in seconds."""

    seed_delay: int = 4
    commit: int = 3_600
    disclose: int = 3_600
    reveal: int = 1_800
    appeal: int = 86_400
    unsampled: int = 3_600


@dataclass(frozen=True)
class Penalties:
    """Token units taken from a verifier's stake; to withhold a reveal must cost the most of the first three."""

    absent: int = 1 * TOKEN
    outlier: int = 5 * TOKEN
    withheld: int = 10 * TOKEN
    overturned: int = 50 * TOKEN


@dataclass(frozen=True)
class ReputationParameters:
    """`stop` and `bridge_decay` as probabilities; seeds by weight, the deployer alone if there are none."""

    stop: float = 0.4
    bridge_decay: float = 0.5
    seeds: dict[ChecksumAddress, float] = field(default_factory=dict)
    epoch_length: int = 7 * 86_400
    bond: int = 1_000 * TOKEN
    challenge_window: int = 86_400
    proposal_window: int = 2 * 86_400


@dataclass(frozen=True)
class Parameters:
    """Everything a deployment fixes. The defaults are those of a public network; `LOCAL` is for a laptop.

    token: an ERC-20 that is there already, None to deploy `MeritToken` with the whole supply for the deployer.
    detection: basis points in which one faked leaf that is audited is found; the escrow refuses jobs by it.
    fee_rate: basis points of what each committee shares that go to the proposers of the scores.
    governance_delay: seconds between a parameter change's announcement and its execution.
    """

    token: ChecksumAddress | None = None
    supply: int = 100_000_000 * TOKEN
    vault: VaultParameters = field(default_factory=VaultParameters)
    windows: Windows = field(default_factory=Windows)
    penalties: Penalties = field(default_factory=Penalties)
    reputation: ReputationParameters = field(default_factory=ReputationParameters)
    claim_window: int = 30 * 86_400
    detection: int = 9_000
    fee_rate: int = 500
    governance_delay: int = 2 * 86_400

    @classmethod
    def load(cls, path: Path) -> "Parameters":
        """Read a JSON object with the same nesting; what it leaves out keeps its default."""
        try:
            merged: Parameters = _merged(cls(), json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InvalidParametersError(f"Cannot read the parameters file {path}; check its name.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidParametersError(f"{path} does not hold deployment parameters: {error}.") from error
        return merged


LOCAL = Parameters(
    vault=VaultParameters(unbonding_delay=900, period_blocks=8),
    windows=Windows(seed_delay=2, commit=30, disclose=20, reveal=20, appeal=6, unsampled=2),
    reputation=ReputationParameters(epoch_length=10, challenge_window=4, proposal_window=600, bond=100 * TOKEN),
    claim_window=600,
    governance_delay=0,
)


def reputation_tuple(
    parameters: ReputationParameters, default_seed: ChecksumAddress
) -> tuple[int, int, list[ChecksumAddress], list[int]]:
    """The oracle's `Parameters` struct: probabilities in units of 2^-44, seeds ascending, weights summing to one."""
    seeds = {to_checksum_address(seed): weight for seed, weight in parameters.seeds.items()} or {default_seed: 1.0}
    addresses = sorted(seeds, key=lambda seed: int(seed, 16))
    total = sum(seeds.values())
    weights = [round(seeds[address] / total * FIXED_ONE) for address in addresses]
    weights[0] += FIXED_ONE - sum(weights)
    return round(parameters.stop * FIXED_ONE), round(parameters.bridge_decay * FIXED_ONE), addresses, weights


def _merged(defaults: Any, changes: dict[str, Any]) -> Any:
    unknown = changes.keys() - asdict(defaults).keys()
    if unknown:
        raise ValueError(f"there is no parameter {sorted(unknown)[0]!r}")
    nested = {name: getattr(defaults, name) for name in changes}
    return replace(
        defaults,
        **{
            name: _merged(value, changes[name]) if hasattr(value, "__dataclass_fields__") else changes[name]
            for name, value in nested.items()
        },
    )
