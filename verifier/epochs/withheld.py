"""Rows that were not published, told on the chain one by one: which to ask for next, until all are known."""

from collections.abc import Collection
from math import ceil

from hexbytes import HexBytes
from web3.exceptions import Web3Exception

from chain.network import Network
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import subject_argument
from verifier.epochs.rows import Row
from verifier.epochs.tree import RowTree


def rows_with_answers(history: EpochHistory, own: RowTree) -> RowTree:
    """One's own rows with those that were answered for the last proposal in their place."""
    rows = list(own.rows)
    for event in history.attempt(own.epoch):
        if event.name == "RowAnswered" and event.args["subject"] == subject_argument(own.subject):
            row = Row(**event.args["row"])
            rows[row.index] = row
    return RowTree(own.epoch, rows, own.subject)


def next_demands(
    network: Network, history: EpochHistory, own: RowTree, asked: Collection[int], rounds: int
) -> list[int]:
    """The indices of the rows to ask for next; none when all were asked for.

    The proof of each answer holds the proposed tree's nodes beside its way. Where they are one's own there is nothing
    to ask below them, so a wrong row is found by dividing what is left: into as many parts as it takes to be done in
    `rounds` further answers, which a proposer may delay as long as it can.
    """
    known = rows_with_answers(history, own)
    differing = []
    for event in history.attempt(own.epoch):
        if event.name != "RowAnswered" or event.args["subject"] != subject_argument(own.subject):
            continue
        index = event.args["row"]["index"]
        differing += known.differing_spans(index, _proof_of(network, event.transaction_hash))
    if differing:
        first, size = min(differing, key=lambda span: span[1])
        size = min(size, len(own.rows) - first)
        parts = ceil(size ** (1 / rounds))
        chosen = [first + size * part // parts for part in range(parts)]
        fresh = [index for index in dict.fromkeys(chosen) if index not in asked]
        if fresh:
            return fresh
    return [index for index in range(len(own.rows)) if index not in asked][:1]


def _proof_of(network: Network, transaction_hash: bytes) -> list[bytes]:
    """The proof that `answerRow` was called with; empty where another contract made the call."""
    try:
        call = network.web3.eth.get_transaction(HexBytes(transaction_hash))["input"]
        _, arguments = network.oracle.decode_function_input(call)
        return [bytes(node) for node in arguments["proven"]["proof"]]
    except (Web3Exception, ValueError, KeyError, TypeError):
        return []
