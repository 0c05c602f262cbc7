"""The local chain leaves nothing behind."""

import tempfile
from pathlib import Path

import pytest

from chain.localnet import local_chain
from chain.network import connect

pytestmark = pytest.mark.chain


def test_local_chain__more_blocks_than_it_keeps_in_memory__disk_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with local_chain() as url:
        connect(url).provider.make_request("anvil_mine", ["0x258"])  # type: ignore[arg-type]
        assert [path for path in tmp_path.rglob("*") if path.is_file()]
    assert list(tmp_path.iterdir()) == []
