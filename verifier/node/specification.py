"""The specification of a job: which workload of which model. Its block's SHA-256 is `terms.specification`."""

import json
from dataclasses import dataclass

from chain.contribution import MalformedRecordError, canonical_json, content_digest


@dataclass(frozen=True)
class Specification:
    """`model` is the 32-byte identity of a registered model's manifest."""

    kind: str
    workload: str
    model: bytes

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json({"kind": self.kind, "model": self.model.hex(), "workload": self.workload})

    @property
    def digest(self) -> bytes:
        """What a job's terms name it by."""
        return content_digest(self.to_block())

    @classmethod
    def from_block(cls, block: bytes) -> "Specification":
        """Parse a stranger's block. Raises `MalformedRecordError` for anything but the canonical form."""
        try:
            raw = json.loads(block)
            specification = cls(raw["kind"], raw["workload"], bytes.fromhex(raw["model"]))
            canonical = specification.to_block()
        except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
            raise MalformedRecordError("The block is not a job's specification.") from error
        if canonical != block:
            raise MalformedRecordError("The job's specification is not in canonical form.")
        return specification
