"""What registering sources and adopting their reliabilities costs; a part of `scripts.gas`."""

from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from chain.merkle import MerkleTree, leaf_hash, merkle_root
from chain.parameters import TOKEN
from chain.typed_data import passage_hash, sign

if TYPE_CHECKING:
    from scripts.gas import Bench

_SOURCES = 1_000
_PASSAGES = 10_000
_OWNER = Account.from_key(f"0x{'50' * 32}")


def measure_sources(bench: "Bench", job: int) -> dict[str, int]:
    """Figures by name: a source with 10,000 passages, and the reliabilities of 1,000 sources under one root.

    job: one with money, in whose name a window is settled.
    """
    registry, owner = bench.network.sources.functions, _OWNER.address
    bench.fund(owner, bench.network.source_vault.address, 1_000 * TOKEN)
    bench.send(owner, bench.network.source_vault.functions.deposit(1_000 * TOKEN))
    digests = [keccak(encode(["uint32"], [position])) for position in range(_PASSAGES)]
    corpus = MerkleTree(
        [leaf_hash(encode(["uint32", "bytes32"], [position, digest])) for position, digest in enumerate(digests)]
    )
    committed = (corpus.root, keccak(text="index"), _PASSAGES)
    bench.send(owner, registry.register(committed, "http://source.example:8200"))
    figures = {
        "register_source": bench.send(owner, registry.register(committed, "http://source.example:8200")),
        "update_corpus": bench.send(owner, registry.updateCorpus(1, committed)),
    }
    leaves = [leaf_hash(encode(["uint256", "uint32"], [source, 830_000])) for source in range(1, _SOURCES + 1)]
    tree = MerkleTree(leaves)
    bench.send(bench.deployer.address, registry.setJob(job))
    for window in (keccak(text="first window"), keccak(text="second window")):
        figures["adopt_reliabilities"] = _settle_and_adopt(bench, job, window, tree.root)
    figures["check_in_reliability"] = bench.send(owner, registry.checkIn(1, 830_000, tree.proof(0)))
    passage = (0, keccak(text="something else"), 600_000, corpus.proof(0))
    answer = (1, 1, keccak(text="query"), [passage_hash(*passage)])
    signature = sign(_OWNER, bench.network.source_domain.answer(*answer))
    figures["slash_source"] = bench.send(bench.deployer.address, registry.slash(answer, 0, passage, signature))
    return figures


def _settle_and_adopt(bench: "Bench", job: int, batch_id: bytes, reliabilities: bytes) -> int:
    registry, court = bench.network.sources.functions, bench.network.court.address
    shares = keccak(text="shares")
    tag, previous = keccak(text="merit source reliabilities"), registry.reliabilities().call()
    leaf = leaf_hash(encode(["bytes32"] * 4, [tag, batch_id, previous, reliabilities]))
    bench.send(court, bench.escrow.reserve(job, 20))
    bench.send(court, bench.escrow.fillPot(job, batch_id, merkle_root([leaf, shares]), TOKEN))
    return bench.send(bench.deployer.address, registry.adopt(batch_id, reliabilities, shares))
