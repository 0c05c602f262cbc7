"""What a participant remembers of rounds over its restarts: whose updates were there when it worked them out."""

import json
from dataclasses import dataclass
from pathlib import Path

from chain.contribution import canonical_json
from chain.errors import MeritError
from verifier.workloads.training import RoundResult


class UnwritableFolderError(MeritError):
    """A folder for what is kept of rounds that nothing can be written to."""


@dataclass(frozen=True)
class KeptRounds:
    """Positions of the updates behind each payload, in a file for each, by batch. Nothing else need be kept.

    What is published of a round can grow after its committee has decided on it, and these say what it was then.
    """

    folder: Path

    def keep(self, result: RoundResult) -> None:
        """Remember what `result` was worked out from. Raises UnwritableFolderError."""
        path = self._path(result.batch_id, result.payload)
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(canonical_json({"taken": list(result.taken)}))
            partial.replace(path)
        except OSError as error:
            raise UnwritableFolderError(
                f"{self.folder} cannot be written: {error.strerror}; choose another."
            ) from error

    def taken(self, batch_id: bytes, payload: bytes) -> tuple[int, ...] | None:
        """As `RoundResult.taken`; None for a payload that was not kept."""
        path = self._path(batch_id, payload)
        return tuple(json.loads(path.read_bytes())["taken"]) if path.exists() else None

    def settle(self, batch_id: bytes, payload: bytes) -> None:
        """Forget what else the batch might have come to."""
        adopted = self._path(batch_id, payload)
        for path in adopted.parent.glob("*"):
            if path != adopted:
                path.unlink()

    def _path(self, batch_id: bytes, payload: bytes) -> Path:
        return self.folder / batch_id.hex() / f"{payload.hex()}.json"
