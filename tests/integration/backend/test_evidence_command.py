"""`merit evidence` against the running service, as a person uses it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from backend.evidence.content_id import CHUNK, content_id
from scripts.cli import main

from .conftest import Chain, Service

pytestmark = pytest.mark.chain
Merit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def merit(
    chain: Chain,
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Merit]:
    """Runs `merit evidence` with the given words; gives exit status, values and diagnostics."""
    monkeypatch.setenv("MERIT_API_URL", service.url)
    monkeypatch.setenv("MERIT_RPC_URL", chain.url)
    monkeypatch.setenv("MERIT_DEPLOYMENT", str(tmp_path / "deployment.json"))
    monkeypatch.setenv("MERIT_PRIVATE_KEY", chain.contributor.key.hex())

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["merit", "evidence", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return status, captured.out.strip(), captured.err.strip()

    with capture_logs():  # the service runs in this process, and its log is not the command's answer
        yield run


@pytest.mark.parametrize("size", [5, 2 * CHUNK + 1])
def test_evidence__added_pinned_archived_and_imported__is_the_same(merit: Merit, tmp_path: Path, size: int) -> None:
    file, copy, archive = tmp_path / "file", tmp_path / "copy", tmp_path / "file.car"
    file.write_bytes(b"x" * size)
    cid = str(content_id(b"x" * size))
    assert merit("cid", file)[:2] == (0, cid)
    assert merit("add", file)[:2] == (0, cid)
    assert merit("pin", cid)[:2] == (0, cid)
    assert merit("pin", cid, "--remove")[:2] == (0, cid)
    assert merit("get", cid, "--output", copy)[0] == 0
    assert copy.read_bytes() == file.read_bytes()
    assert merit("export", cid, archive)[:2] == (0, str(archive))
    assert merit("import", archive)[:2] == (0, cid)


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
        status, out, error = merit(*words)
        assert (status, out) == (1, "")
        last = error.splitlines()[-1]
        assert sentence in last
        assert last.endswith(".")
    assert merit("export", absent, tmp_path / "out.car")[0] == 1
    assert not (tmp_path / "out.car").exists()
