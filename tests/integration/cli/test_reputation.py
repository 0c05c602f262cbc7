"""`merit reputation`: scores of an edge list, with no chain in reach."""

import io
import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Merit


@pytest.fixture
def edges(tmp_path: Path) -> str:
    """The three nodes of the paper, and a pair that no walk from node 0 reaches."""
    path = tmp_path / "edges.csv"
    path.write_text("source,target,weight\n0,1,1\n0,2,1\n1,2,1\n3,4,1\n")
    return str(path)


def test_reputation__three_nodes_of_the_paper__known_values(merit: Merit, edges: str) -> None:
    answer = merit("reputation", edges, "--seed", "0", "--stop", "0.15", "--bridge-decay", "0", "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert [row["node"] for row in found] == ["0", "2", "1"]
    assert [row["score"] for row in found] == pytest.approx([1, 0.78625, 0.425], abs=1e-12)
    assert [row["share"] for row in found] == pytest.approx([0.452233, 0.355568, 0.192199], abs=1e-6)


def test_reputation__table_of_the_best_from_standard_input__as_many_as_asked_for(
    merit: Merit, edges: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(Path(edges).read_text()))
    answer = merit("reputation", "-", "--seed", "0", "--seed", "3", "--top", "2")
    assert answer.status == 0, answer.err
    rows = [line.split()[1] for line in answer.out.splitlines() if line[:1] == "│"]
    assert sorted(rows) == ["0", "3"]


def test_reputation__seed_or_file_that_is_not_there__one_sentence(merit: Merit, edges: str) -> None:
    unknown = merit("reputation", edges, "--seed", "nobody")
    assert unknown.status == 1
    assert "node 'nobody' is not in the graph" in unknown.refusal
    missing = merit("reputation", "nowhere.csv", "--seed", "0")
    assert missing.status == 1
    assert missing.refusal.endswith("name a text file with one edge a line.")
