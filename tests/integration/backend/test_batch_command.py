"""`merit batch record`: a contributor whom the recorder ignores goes to the chain itself."""

import json
from pathlib import Path

import pytest

from chain.contribution import canonical_json, content_digest, parse_manifest

from .conftest import Chain, Merit, Service

pytestmark = pytest.mark.chain


def write_work(path: Path, count: int) -> Path:
    lines = [{"units": 2, "trace_root": "0x" + "07" * 32, "evidence": {"number": number}} for number in range(count)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_batch__recorded_by_its_contributor__is_on_the_chain_with_its_evidence(
    chain: Chain, service: Service, merit: Merit, tmp_path: Path
) -> None:
    job = chain.open_job()
    work = write_work(tmp_path / "work.jsonl", 3)
    status, batch_id, _ = merit("batch", "record", work, "--job", job)
    assert status == 0
    assert chain.network.court.functions.nextLeaf(job, chain.contributor.address).call() == 3
    service.step("indexer")
    client = service.client(chain)
    found = client.batch(batch_id)
    assert (found["first"], found["count"], found["phase"]) == (0, 3, "recorded")
    manifest = client.evidence(bytes.fromhex(found["data_hash"][2:]))
    assert manifest is not None
    leaves = parse_manifest(manifest)
    assert [leaf.evidence for leaf in leaves] == [
        content_digest(canonical_json({"number": number})) for number in range(3)
    ]
    assert client.evidence(leaves[2].evidence) == canonical_json({"number": 2})
    answer = json.loads(merit("batch", "record", work, "--job", job, "--json")[1])
    assert (answer["first"], answer["count"]) == (3, 3)


def test_batch__that_the_chain_refuses__is_refused_in_one_sentence(chain: Chain, merit: Merit, tmp_path: Path) -> None:
    work = write_work(tmp_path / "work.jsonl", 1)
    status, out, error = merit("batch", "record", work, "--job", 77)
    assert (status, out) == (1, "")
    assert error.splitlines()[-1].endswith(".")
    assert "foresee" not in error
