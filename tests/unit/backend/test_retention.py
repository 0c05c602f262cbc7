"""What is kept, for how long, and for whom."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.batches.closing import batch_id
from backend.evidence.content_id import CHUNK
from backend.evidence.retention import Retention
from backend.evidence.store import EvidenceStore
from chain.client import Work
from chain.contribution import build_batch, content_digest

from .conftest import CONTRIBUTOR, DOMAIN, OTHER, OWNER, START, TERMS, Service, leaf, recorded_args

MONTH = 30 * 24 * 3600


@dataclass
class Keeping:
    """The service's store, looked through at a time that a test sets."""

    service: Service
    now: float = float(START)

    @property
    def store(self) -> EvidenceStore:
        return self.service.services.evidence

    def put(self, data: bytes) -> bytes:
        """Stored long ago."""
        digest = self.store.put(data).digest
        self.store.renew(digest, START)
        return digest

    def pass_time(self, seconds: float) -> None:
        """And look through the store at the end."""
        self.now += seconds
        Retention(self.service.services.database, self.store, None, MONTH, lambda: self.now).step()


@pytest.fixture
def keeping(service: Service) -> Keeping:
    return Keeping(service)


def test_evidence__that_nothing_needs__goes_when_its_time_is_over(keeping: Keeping, tmp_path: Path) -> None:
    small, large = keeping.put(b"small"), keeping.put(bytes(CHUNK + 1))
    keeping.pass_time(MONTH)
    assert set(keeping.store.digests()) == {small, large}
    keeping.pass_time(1)
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


def test_evidence__of_an_open_audit__is_never_removed(keeping: Keeping) -> None:
    service = keeping.service
    (receipt,) = service.client().submit(1, [Work(3, b"t" * 32, b"evidence of the work")])
    evidence = receipt.leaf.evidence
    keeping.store.renew(evidence, START)
    keeping.pass_time(10 * MONTH)  # the leaf waits in an open batch
    assert keeping.store.get(evidence) == b"evidence of the work"
    service.model.time += 60
    service.step("recorder", "indexer")  # now it is on the chain, and its audit is open
    (args,) = service.model.recorded()
    manifest = args["batch"]["dataHash"]
    keeping.pass_time(10 * MONTH)
    assert {evidence, manifest} <= set(keeping.store.digests())
    service.model.mine(("AuditCourt", "Settled", {"batchId": args["batchId"], "outcome": 1, "paid": 1, "slashed": 0}))
    service.step("indexer")
    assert service.http.get(f"/v1/contributions/{receipt.id}").json()["status"] == "settled"
    keeping.pass_time(MONTH)  # since it was last needed, not since it was stored
    assert {evidence, manifest} <= set(keeping.store.digests())
    keeping.pass_time(1)
    assert not {evidence, manifest} & set(keeping.store.digests())


def test_evidence__of_a_batch_that_its_contributor_recorded__is_kept_too(keeping: Keeping) -> None:
    evidence = keeping.put(b"work that the recorder never saw")
    one = leaf(0)
    batch, manifest = build_batch([type(one)(**{**one.__dict__, "evidence": evidence})], START + 10**9)
    keeping.put(manifest)
    keeping.service.model.mine(("AuditCourt", "Recorded", recorded_args(batch)))
    keeping.service.step("indexer")
    keeping.pass_time(2 * MONTH)
    assert {evidence, content_digest(manifest)} <= set(keeping.store.digests())
    assert batch_id(DOMAIN, batch) == keeping.service.model.recorded()[0]["batchId"]


def test_specification__of_a_job__is_kept_until_the_job_is_closed(keeping: Keeping) -> None:
    model = keeping.service.model
    digest = keeping.put(b"which model")
    terms = {**TERMS, "specification": digest}
    model.mine(("JobEscrow", "JobOpened", {"jobId": 1, "owner": OWNER.address, "terms": terms, "amount": 10**20}))
    keeping.service.step("indexer")
    keeping.pass_time(2 * MONTH)
    assert keeping.store.get(digest) == b"which model"
    model.mine(("JobEscrow", "JobClosed", {"jobId": 1, "refund": 0}))
    keeping.service.step("indexer")
    keeping.pass_time(MONTH + 1)
    assert keeping.store.get(digest) is None


def test_rows__of_every_epoch__are_kept(keeping: Keeping) -> None:
    digest = keeping.put(b"rows")
    keeping.service.model.mine(("ReputationOracle", "Proposed", {"epoch": 1, "rowsCid": digest}))
    keeping.service.step("indexer")
    keeping.pass_time(2 * MONTH)
    assert keeping.store.get(digest) == b"rows"


def test_pin__keeps_evidence_until_the_last_account_lets_go(keeping: Keeping) -> None:
    service = keeping.service
    digest = keeping.put(b"mine")
    path = f"/v1/evidence/{digest.hex()}/pin"
    assert service.http.put(path).status_code == 401
    first = service.signed("PUT", path)
    assert (first.status_code, first.json()["account"]) == (200, CONTRIBUTOR.address)
    service.model.time += 5
    assert service.signed("PUT", path).json() == first.json()
    assert service.signed("PUT", path, account=OTHER).status_code == 200
    for account in (CONTRIBUTOR, OTHER):
        keeping.pass_time(2 * MONTH)
        assert keeping.store.get(digest) == b"mine"
        assert service.signed("DELETE", path, account=account).status_code == 204
    keeping.pass_time(MONTH + 1)
    assert keeping.store.get(digest) is None
    assert service.signed("PUT", path).status_code == 404
    assert service.signed("DELETE", path).status_code == 204


def test_evidence__stored_again_while_it_is_removed__stays(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = keeping.put(b"contested")
    original = Path.replace

    def replace_after_another_upload(self: Path, target: Path) -> Path:
        if target.parent.name == "incoming":
            os.utime(self, (START + 3 * MONTH,) * 2)
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace_after_another_upload)
    keeping.pass_time(2 * MONTH)
    assert keeping.store.get(digest) == b"contested"


def test_pass__is_made_once_an_hour(keeping: Keeping) -> None:
    services = keeping.service.services
    times = iter([START, START + 3599, START + 3600])
    retention = Retention(services.database, keeping.store, None, 0, lambda: next(times))
    kept = []
    for _ in range(3):
        digest = keeping.put(b"old")
        keeping.store.renew(digest, START - 1)
        retention.step()
        kept.append(keeping.store.get(digest) is not None)
    assert kept == [False, True, False]
