"""What a contributor keeps of its work."""

from pathlib import Path

import numpy as np
import pytest
from eth_utils.address import to_checksum_address

from chain.contribution import Leaf, content_digest
from verifier.fingerprint.trace import Trace
from verifier.provider.ledger import Ledger, LedgerError

ME = to_checksum_address("0x" + "aa" * 20)
TRACE = Trace(np.arange(20, dtype=np.float32).reshape(10, 2), chunk_rows=4)


def _leaf(sequence: int, block: bytes = b"block") -> Leaf:
    return Leaf(1, ME, sequence, 10, TRACE.root, content_digest(block))


def test_append__reopened__leaves_blocks_and_traces_as_they_were(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ME)
    for number in range(3):
        ledger.append(_leaf(number), b"block", TRACE)
    ledger.close()
    ledger = Ledger(tmp_path, ME)
    assert ledger.leaves(1, 1, 5) == [(_leaf(1), b"block"), (_leaf(2), b"block")]
    assert ledger.leaves(1, 1, 1) == [(_leaf(1), b"block")]
    assert ledger.trace(_leaf(1)).root == TRACE.root
    assert (ledger.next_number(1), ledger.next_number(2)) == (3, 0)
    ledger.close()


def test_append__number_taken__refused_and_the_first_stands(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ME)
    ledger.append(_leaf(0), b"block", TRACE)
    with pytest.raises(LedgerError, match="was served before"):
        ledger.append(_leaf(0, b"other"), b"other", TRACE)
    assert ledger.leaves(1, 0, 5) == [(_leaf(0), b"block")]
    ledger.close()


def test_trace__dropped__says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ME)
    ledger.append(_leaf(0), b"block", TRACE)
    ledger.drop_trace(_leaf(0))
    with pytest.raises(LedgerError, match="not in the ledger"):
        ledger.trace(_leaf(0))
    ledger.close()
