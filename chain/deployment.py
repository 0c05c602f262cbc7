"""Where the contracts of one network live: `deployments/<chain id>.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.errors import WrongNetworkError


@dataclass(frozen=True)
class Deployment:
    """Addresses by contract name, and the block from which their events are to be read."""

    chain_id: int
    block: int
    addresses: dict[str, ChecksumAddress]

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read a deployment file. Raises `WrongNetworkError` where there is none or it is not one."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                chain_id=int(raw["chain_id"]),
                block=int(raw["block"]),
                addresses={name: to_checksum_address(address) for name, address in raw["addresses"].items()},
            )
        except FileNotFoundError:
            raise WrongNetworkError(f"There is no deployment at {path}; run `merit deploy` or name its file.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WrongNetworkError(f"{path} is not a deployment file; write it again with `merit deploy`.") from error

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)
