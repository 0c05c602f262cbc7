"""`merit job` and `merit train` with what people get wrong: one sentence each, and nothing on the chain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chain.network import Network
from chain.sender import TransactionSender
from verifier.workloads.training_tensors import write_data

pytestmark = pytest.mark.chain

Merit = Callable[..., Any]
ORGANISER = "0x" + "11" * 20


def opened(merit: Merit, rpc: str, data: Path, *changes: str) -> str:
    answer = merit(
        *("job", "open", "--kind", "training", "--rpc", rpc, "--data", str(data), "--organiser", ORGANISER),
        *("--pot", "9", "--amount", "90", "--api", "http://127.0.0.1:1", *changes),
    )
    assert answer.status == 1
    return str(answer.refusal)


def test_job_open__data_that_does_not_fit__says_which(merit: Merit, rpc: str, deployed: Network) -> None:
    data = Path("data.safetensors")
    assert "data.safetensors" in opened(merit, rpc, data)
    data.write_bytes(b"pickled")
    assert "safetensors" in opened(merit, rpc, data)
    data.write_bytes(write_data(np.zeros((4, 3)), np.zeros(4, dtype=np.int64)))
    assert "expected samples of 64 features" in opened(merit, rpc, data)
    assert "widths=3,x" in opened(merit, rpc, data, "--model", "perceptron widths=3,x")
    assert "malformed" in opened(merit, rpc, data, "--model", "transformer widths=3")
    data.write_bytes(write_data(np.zeros((4, 64)), np.zeros(4, dtype=np.int64)))
    large = ("--model", "perceptron widths=64,65536,10", "--evaluated", "1048576")
    assert "fewer than 3 are never paid; lower --evaluated" in opened(merit, rpc, data, *large)
    assert deployed.escrow.functions.jobCount().call() == 0


def test_job_open__organiser_is_no_account__says_so(merit: Merit, rpc: str, deployed: Network) -> None:
    assert "is not an account" in opened(merit, rpc, Path("data"), "--organiser", "somebody")


def test_train_join__twice__stakes_the_least_once(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender
) -> None:
    least = deployed.vault.functions.minimumStake().call()
    for _ in range(2):
        answer = merit("train", "join", "--rpc", rpc)
        assert answer.out.strip() == operator.address
        assert deployed.vault.functions.stakeOf(operator.address).call()[0] == least


def test_train_status__no_such_job__one_sentence(merit: Merit, rpc: str, deployed: Network) -> None:
    answer = merit("train", "status", "--job", "77", "--rpc", rpc, "--api", "http://127.0.0.1:1")
    assert answer.status == 1
    assert "Traceback" not in answer.err
    assert answer.refusal.endswith(".")


@pytest.mark.parametrize("name", ["nowhere:function", "json:nothing", "json:__name__", "json", "", "nowhere.py:f"])
def test_train_run__function_that_is_not_there__says_how_to_name_one(
    merit: Merit, rpc: str, deployed: Network, name: str
) -> None:
    answer = merit("train", "run", "--job", "1", "--organiser", "http://127.0.0.1:1", "--function", name, "--rpc", rpc)
    assert answer.status == 1
    assert answer.refusal.endswith("; write module:function or file.py:function.")
    assert answer.refusal.startswith((f"There is no function {name};", f"{name} does not load: "))


def test_train_reclaim__no_pot_is_left__nothing_is_sent(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender
) -> None:
    before = deployed.web3.eth.get_transaction_count(operator.address)
    assert merit("train", "reclaim", "--job", "1", "--rpc", rpc).out.strip() == "0"
    assert deployed.web3.eth.get_transaction_count(operator.address) == before
