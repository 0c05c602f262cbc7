"""A source from its folder to a slash, on a chain and over HTTP."""

import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from chain.errors import TransactionRevertedError
from chain.network import Network
from chain.sender import TransactionSender
from verifier.retrieval.book import SourceBook
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.errors import ForeignPassageError
from verifier.retrieval.exchange import Answer, Query, SignedQuery
from verifier.retrieval.reading import read_passages
from verifier.retrieval.source import NotRegisteredError, SourceNode, UnwelcomeError, register, serve_source

pytestmark = pytest.mark.chain

QUERY = Query(1, 1, b"n" * 32, 2, "lift of the wing")


@pytest.fixture
def owner(funded: Callable[[int], LocalAccount]) -> LocalAccount:
    return funded(0x50)


@pytest.fixture
def asker(funded: Callable[[int], LocalAccount]) -> LocalAccount:
    return funded(0xA5)


@pytest.fixture
def node(network: Network, owner: LocalAccount, folder: Path) -> SourceNode:
    corpus = Corpus(read_passages(folder))
    source = register(network, TransactionSender(network.web3, owner), corpus, "http://source.example")
    made = SourceNode(network, owner, source, folder)
    made.refresh()
    return made


@pytest.fixture
def url(node: SourceNode) -> Iterator[str]:
    with serve_source(node, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/answers"


def book(network: Network) -> SourceBook:
    read = SourceBook(network)
    read.advance()
    return read


def signed(network: Network, asker: LocalAccount, query: Query = QUERY) -> SignedQuery:
    return SignedQuery.signed(network.source_domain, asker, query)


def test_register__a_folder__stands_behind_it_with_a_stake(network: Network, node: SourceNode) -> None:
    source = book(network).sources[node.source_id]
    assert (source.owner, source.endpoint, source.version) == (node.account.address, "http://source.example", 1)
    locked = network.source_vault.functions.stakeOf(source.owner).call()[1]
    assert locked == network.sources.functions.stake().call()


def test_answers__over_http__are_signed_and_committed(
    network: Network, node: SourceNode, asker: LocalAccount, url: str
) -> None:
    asked = signed(network, asker)
    response = httpx.post(url, content=asked.to_block())
    answer = Answer.from_json(response.json())
    assert response.status_code == 200
    assert answer.signer(network.source_domain, QUERY.digest(network.source_domain)) == node.account.address
    answer.check(book(network).sources[node.source_id].commitments[answer.version], QUERY.count)
    assert "wing" in answer.passages[0].text


def test_answers__malformed_or_unwelcome__are_refused_with_a_sentence(
    network: Network, node: SourceNode, asker: LocalAccount, owner: LocalAccount, url: str
) -> None:
    assert httpx.post(url, content=b"{}").status_code == 400
    assert httpx.post(url, content=b"x" * 20_000).status_code == 400
    assert httpx.post(url[:-1], content=b"").status_code == 400
    node.askers = frozenset([asker.address])
    assert httpx.post(url, content=signed(network, asker).to_block()).status_code == 200
    refused = httpx.post(url, content=signed(network, owner).to_block())
    assert refused.status_code == 403
    assert refused.json()["status"].endswith(".")
    with pytest.raises(UnwelcomeError):
        node.answer(replace(signed(network, asker), signature=b"\1" * 65))


def test_answers__two_on_one_connection__are_both_answered(network: Network, asker: LocalAccount, url: str) -> None:
    connection = http.client.HTTPConnection(url.split("/")[2])
    for _ in range(2):
        connection.request("POST", "/answers", signed(network, asker).to_block())
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        assert answer["passages"]
    connection.close()


def test_refresh__changed_folder__becomes_a_version_and_old_answers_stay_good(
    network: Network, node: SourceNode, asker: LocalAccount, folder: Path
) -> None:
    before = node.answer(signed(network, asker))
    assert not node.refresh()
    (folder / "new.txt").write_text("A wing without lift is a plank.")
    assert node.refresh()
    after = node.answer(signed(network, asker))
    assert (before.version, after.version) == (1, 2)
    commitments = book(network).sources[node.source_id].commitments
    for answer in (before, after):
        answer.check(commitments[answer.version], QUERY.count)
    with pytest.raises(ForeignPassageError):
        after.check(commitments[1], QUERY.count)


def test_refresh__folder_touched_but_the_same__stays_at_its_version(node: SourceNode, folder: Path) -> None:
    (folder / "engines.md").write_text("Engines burn fuel at high altitude.")
    node.refresh()
    assert node._version == 1


def test_refresh__unreadable_folder__keeps_answering(
    network: Network, node: SourceNode, asker: LocalAccount, folder: Path
) -> None:
    (folder / "bad.jsonl").write_text("{")
    with pytest.raises(Exception, match=r"bad\.jsonl"):
        node.refresh()
    assert node.answer(signed(network, asker)).version == 1


def test_refresh__another_accounts_source__is_refused(
    network: Network, node: SourceNode, asker: LocalAccount, folder: Path
) -> None:
    with pytest.raises(NotRegisteredError, match="merit source register"):
        SourceNode(network, asker, node.source_id, folder).refresh()
    with pytest.raises(NotRegisteredError, match="not ready"):
        SourceNode(network, asker, node.source_id, folder).answer(signed(network, asker))


def test_slash__signed_foreign_passage__costs_the_stake_and_an_honest_answer_does_not(
    network: Network, node: SourceNode, asker: LocalAccount
) -> None:
    domain, query = network.source_domain, QUERY.digest(network.source_domain)
    honest = node.answer(signed(network, asker))
    sender, registry = TransactionSender(network.web3, asker), network.sources.functions
    passage = honest.passages[0]
    with pytest.raises(TransactionRevertedError, match="nothing is wrong with the answer"):
        sender.send(registry.slash(honest.as_tuple(query), 0, passage.as_tuple(), honest.signature))
    forged = replace(passage, text="The wing is made of cheese.")
    false = Answer.signed(domain, node.account, query, node.source_id, 1, [forged])
    sender.send(registry.slash(false.as_tuple(query), 0, forged.as_tuple(), false.signature))
    assert not book(network).sources[node.source_id].active
    vault = network.source_vault.functions
    assert vault.stakeOf(node.account.address).call()[0] == 0
    assert vault.stakeOf(asker.address).call()[4] == registry.stake().call() // 2


def test_book__block_by_block__is_what_it_is_from_scratch(
    network: Network, node: SourceNode, owner: LocalAccount, folder: Path
) -> None:
    followed = SourceBook(network)
    followed.advance()
    (folder / "new.txt").write_text("More.")
    node.refresh()
    sender = TransactionSender(network.web3, owner)
    sender.send(network.sources.functions.setEndpoint(node.source_id, "http://elsewhere.example"))
    middle = network.web3.eth.block_number
    sender.send(network.sources.functions.retire(node.source_id))
    followed.advance()
    followed.advance()
    assert followed.sources == book(network).sources
    earlier = SourceBook(network)
    earlier.advance(middle)
    assert earlier.sources[node.source_id].active
    assert not followed.sources[node.source_id].active


def test_answers__asker_that_does_not_wait__is_no_failure(
    network: Network, asker: LocalAccount, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    block = signed(network, asker).to_block()
    host, port = url.split("/")[2].split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /answers HTTP/1.1\r\nHost: source\r\nContent-Length: {len(block)}\r\n\r\n".encode()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(head + block)
    assert httpx.post(url, content=block).status_code == 200
    assert "Traceback" not in capfd.readouterr().err
