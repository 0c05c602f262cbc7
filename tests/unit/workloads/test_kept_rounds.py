"""What is kept of rounds: whole or not at all, and only what was adopted once that is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.workloads.test_training import Case
from verifier.training.kept_rounds import KeptRounds, UnwritableFolderError


def test_kept_rounds__two_results_of_a_batch__each_by_its_payload_until_one_is_adopted(tmp_path: Path) -> None:
    kept, result = KeptRounds(tmp_path / "rounds"), Case().result()
    other = replace(result, shares={}, taken=(1,))
    assert kept.taken(result.batch_id, result.payload) is None
    kept.keep(result)
    kept.keep(other)
    assert kept.taken(result.batch_id, result.payload) == result.taken
    assert kept.taken(other.batch_id, other.payload) == (1,)
    kept.settle(result.batch_id, result.payload)
    assert KeptRounds(tmp_path / "rounds").taken(result.batch_id, result.payload) == result.taken
    assert kept.taken(other.batch_id, other.payload) is None


def test_kept_rounds__stopped_in_the_middle_of_writing__nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, result = KeptRounds(tmp_path), Case().result()
    write = Path.write_bytes

    def half(path: Path, block: bytes) -> int:
        write(path, block[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half)
        with pytest.raises(KeyboardInterrupt):
            kept.keep(result)
    assert kept.taken(result.batch_id, result.payload) is None
    kept.keep(result)
    assert kept.taken(result.batch_id, result.payload) == result.taken


def test_kept_rounds__folder_is_a_file__one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rounds").write_bytes(b"")
    with pytest.raises(UnwritableFolderError, match=r"cannot be written: .*; choose another"):
        KeptRounds(tmp_path / "rounds").keep(Case().result())
