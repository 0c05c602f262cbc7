"""`merit evidence` against the running service, as a person uses it."""

from pathlib import Path

import pytest

from backend.evidence.content_id import CHUNK, content_id

from .conftest import Merit

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("size", [5, 2 * CHUNK + 1])
def test_evidence__added_pinned_archived_and_imported__is_the_same(merit: Merit, tmp_path: Path, size: int) -> None:
    file, copy, archive = tmp_path / "file", tmp_path / "copy", tmp_path / "file.car"
    file.write_bytes(b"x" * size)
    cid = str(content_id(b"x" * size))
    assert merit("evidence", "cid", file)[:2] == (0, cid)
    assert merit("evidence", "add", file)[:2] == (0, cid)
    assert merit("evidence", "pin", cid)[:2] == (0, cid)
    assert merit("evidence", "pin", cid, "--remove")[:2] == (0, cid)
    assert merit("evidence", "get", cid, "--output", copy)[0] == 0
    assert copy.read_bytes() == file.read_bytes()
    assert merit("evidence", "export", cid, archive)[:2] == (0, str(archive))
    assert merit("evidence", "import", archive)[:2] == (0, cid)


def test_evidence__that_is_wrong_or_absent__is_refused_in_one_sentence(merit: Merit, tmp_path: Path) -> None:
    (tmp_path / "no.car").write_bytes(b"nothing of the kind")
    absent = content_id(b"nobody has this")
    for words, sentence in (
        (("get", "bafy"), "not a CIDv1"),
        (("get", absent), "ask another service"),
        (("pin", absent), "not known here"),
        (("add", tmp_path / "absent"), "name a file that is there"),
        (("cid", tmp_path / "absent"), "name a file that is there"),
        (("import", tmp_path / "no.car"), "archive"),
    ):
        status, out, error = merit("evidence", *words)
        assert (status, out) == (1, "")
        last = error.splitlines()[-1]
        assert sentence in last
        assert last.endswith(".")
    assert merit("evidence", "export", absent, tmp_path / "out.car")[0] == 1
    assert not (tmp_path / "out.car").exists()
