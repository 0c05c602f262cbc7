"""The page's code, run as it stands."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from _pytest.capture import CaptureFixture

from .conftest import PRICE, Chain, Start

pytestmark = pytest.mark.chain
PAGE = Path(__file__).parents[3] / "docs" / "backend" / "README.md"


def test_first_example__from_nothing_to_a_paid_contribution(
    chain: Chain,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MERIT_DEPLOYMENT", str(tmp_path / "deployment.json"))
    monkeypatch.setenv("MERIT_PRIVATE_KEY", chain.contributor.key.hex())
    assert chain.network.escrow.functions.creditOf(chain.contributor.address).call() == 0
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    with start(with_workers=True) as service, passing_time(chain):
        monkeypatch.setenv("MERIT_API", service.url)
        for _ in range(20):  # one batch in five is drawn for an audit, and without verifiers refunded
            monkeypatch.setenv("MERIT_JOB", str(chain.open_job()))
            exec(compile(code, PAGE.name, "exec"), {})
            if "Its batch was paid" in capsys.readouterr().out:
                break
    assert chain.network.escrow.functions.creditOf(chain.contributor.address).call() == 32 * PRICE


@contextmanager
def passing_time(chain: Chain) -> Iterator[None]:
    """Blocks, one after the other, as a chain that others use has them."""
    over = Event()

    def mine() -> None:
        while not over.wait(0.1):
            chain.mine(1, 4)

    thread = Thread(target=mine)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
