"""Any order of submissions, recordings, crashes, reorganisations and side steps, against what must always hold."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.client import Receipt, UntrustworthyServiceError, Work
from chain.contribution import build_batch, content_digest, parse_manifest
from chain.typed_data import sign

from .conftest import CONTRIBUTOR, DOMAIN, OTHER, ModelChain, Service, leaf, service_over

ACCOUNTS = {account.address: account for account in (CONTRIBUTOR, OTHER)}
accounts = st.sampled_from(sorted(ACCOUNTS))


class Contributions(RuleBasedStateMachine):
    """`receipts` is the model: what was promised, by contributor."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="merit-machine-"))
        self.model = ModelChain()
        self.service: Service = service_over(self.model, self.folder)
        self.receipts: dict[str, list[Receipt]] = {address: [] for address in ACCOUNTS}
        self.bypassed: set[str] = set()
        self.written = 0

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.services.database.close()
            shutil.rmtree(self.folder)

    def work(self, count: int) -> list[Work]:
        self.written += count
        return [Work(1, bytes(32), f"evidence {self.written - at}".encode()) for at in range(count)]

    @rule(address=accounts, count=st.integers(1, 10))
    def submit(self, address: str, count: int) -> None:
        client = self.service.client(ACCOUNTS[address])
        try:
            self.receipts[address] += client.submit(1, self.work(count))
        except UntrustworthyServiceError:  # open leaves whose signature was dropped
            self.renew(address)

    @rule(address=accounts)
    def renew(self, address: str) -> None:
        found = self.service.client().contributor(1, address)
        if found["leaves"]:
            self.service.client(ACCOUNTS[address]).renew(1, self.receipts[address])

    @rule(address=accounts)
    def send_again(self, address: str) -> None:
        """A contributor that lost the answer to its last submission."""
        if self.receipts[address]:
            last = self.receipts[address][-1]
            found = self.service.client().contribution(last.id)
            assert bytes.fromhex(found["receipt"]["signature"][2:]) == last.signature

    @rule(seconds=st.sampled_from([1, 20]))
    def record(self, seconds: int) -> None:
        self.model.time += seconds
        self.service.step("recorder")

    @rule()
    def index(self) -> None:
        self.service.step("indexer")

    @rule()
    def mine(self) -> None:
        self.model.mine()

    @rule(depth=st.integers(1, 4))
    def reorganise(self, depth: int) -> None:
        self.model.reorganise(depth)
        self.model.mine()

    @rule()
    def crash(self) -> None:
        """All that was in memory is gone."""
        self.service.services.database.close()
        self.service = service_over(self.model, self.folder)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.model.paused = paused

    @rule(address=accounts, same=st.booleans())
    def bypass(self, address: str, same: bool) -> None:
        """A contributor records directly: leaves that it has submitted, or another one."""
        first = self.model.next_leaf(1, address)
        account = ACCOUNTS[address]
        latest = {receipt.leaf.sequence: receipt.leaf for receipt in self.receipts[address]}
        leaves = [latest[first]] if same and first in latest else [leaf(first, account=account, salt=77)]
        batch, _ = build_batch(leaves, self.model.time + 10_000)
        self.model.paused = False
        self.model.record([batch], [sign(account, DOMAIN.batch(batch))])
        self.bypassed.add(address)

    @invariant()
    def the_chain_holds_no_number_twice(self) -> None:
        if not hasattr(self, "model"):
            return
        for address in ACCOUNTS:
            batches = [args["batch"] for args in self.model.recorded() if args["batch"]["contributor"] == address]
            position = 0
            for batch in batches:
                assert batch["first"] == position
                position += batch["count"]

    @rule()
    def settle_down(self) -> None:
        """With a chain that works and time to act, every promise is kept or visibly cannot be."""
        self.model.paused = False
        for _ in range(3):
            self.model.mine()
            self.service.step("indexer")
            for address in ACCOUNTS:
                self.renew(address)
            self.model.time += 60
            self.service.step("recorder")
            self.service.step("indexer")
        on_chain = self.leaves_on_chain()
        client = self.service.client()
        for address, receipts in self.receipts.items():
            expected = self.model.next_leaf(1, address)
            # A reorganisation undid what the contributor recorded itself: only it can bring that again.
            is_gap = expected not in {receipt.leaf.sequence for receipt in receipts}
            for receipt in receipts:
                status = client.contribution(receipt.id)["status"]
                held = on_chain.count(receipt.leaf.hash)
                waits = is_gap and expected < receipt.leaf.sequence and (status, held) == ("closed", 0)
                assert waits or (status, held) in (("recorded", 1), ("superseded", 0))
                assert held == 1 or address in self.bypassed

    def leaves_on_chain(self) -> list[bytes]:
        """Ids of the promised leaves in recorded batches, as their manifests list them."""
        found: list[bytes] = []
        for args in self.model.recorded():
            batch = args["batch"]
            manifest = self.service.services.evidence.get(batch["dataHash"])
            if manifest is not None:
                assert content_digest(manifest) == batch["dataHash"]
                found += [one.hash for one in parse_manifest(manifest)]
            else:  # recorded by its contributor
                latest = [r.leaf for r in self.receipts[batch["contributor"]] if r.leaf.sequence == batch["first"]]
                found += [one.hash for one in latest if one.hash == batch["leavesRoot"]]
        return found


TestContributions = Contributions.TestCase
TestContributions.settings = settings(max_examples=6, stateful_step_count=20, deadline=None)
