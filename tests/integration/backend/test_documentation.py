"""The page's code, run as it stands."""

import re
from pathlib import Path

import pytest
from _pytest.capture import CaptureFixture

from .conftest import Chain, Service

pytestmark = pytest.mark.chain
PAGE = Path(__file__).parents[3] / "docs" / "backend" / "README.md"


def test_first_example__runs_and_its_contribution_is_recorded(
    chain: Chain,
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MERIT_DEPLOYMENT", str(tmp_path / "deployment.json"))
    monkeypatch.setenv("MERIT_API", service.url)
    monkeypatch.setenv("MERIT_PRIVATE_KEY", chain.contributor.key.hex())
    job = chain.open_job()
    monkeypatch.setenv("MERIT_JOB", str(job))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, PAGE.name, "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "accepted"
    service.step("recorder")
    assert chain.network.court.functions.nextLeaf(job, chain.contributor.address).call() == 1
