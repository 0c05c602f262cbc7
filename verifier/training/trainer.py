"""A trainer's part in a round: train, commit, open once everybody's commitment is on the chain, and claim the share."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as StopEvent

import structlog
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import content_digest
from chain.errors import MeritError
from chain.network import Network
from chain.sender import TransactionSender
from scoring.training.filters import sync_score
from scoring.training.models import Floats
from verifier.shared.blocks import needed
from verifier.training.organiser import Entry
from verifier.training.own_function import LocalUpdate, TrainingData, UnusableFunctionError, own_update
from verifier.training.rounds import Rounds
from verifier.workloads.training import assigned_rows
from verifier.workloads.training_records import Opening
from verifier.workloads.training_tensors import read_parameters, write_update


@dataclass(frozen=True)
class Trainer:
    """One account's work for one job.

    enter: hands a commitment to the round's organiser. publish: puts a block into the evidence store.
    folder: where openings wait until they may be published; whoever reads them can copy the work.
    """

    account: BaseAccount
    network: Network
    rounds: Rounds
    enter: Callable[[Entry], object]
    publish: Callable[[bytes], object]
    local_update: LocalUpdate
    folder: Path
    kept: float = 1.0

    @property
    def address(self) -> ChecksumAddress:
        """Who is paid."""
        return to_checksum_address(self.account.address)

    def take_part(self) -> bytes:
        """Commit to an update for the next round, kept on disk until it may be opened; the commitment.

        What was kept for the round is committed to again instead of trained again, so that a trainer that was stopped
        cannot commit twice. An update that was too late for its round is sent in this one, unless it is too old to be
        worth anything. Raises UnavailableBlockError where the job or its parameters are not published, and
        UnusableFunctionError where the training function does not do its part.
        """
        header, state = self.rounds.next_header()
        path = self.folder / f"{self.rounds.job_id}-{header.number}.opening"
        if not path.exists():
            base_number, update = self._late(header.number) or (header.number, None)
            if update is None:
                update = write_update(self._trained(state.parameters, header.number), self.kept)
            opening = Opening.signed(
                self.rounds.domain,
                self.account,
                job_id=self.rounds.job_id,
                number=header.number,
                base_number=base_number,
                update=content_digest(update),
                salt=secrets.token_bytes(32),
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(path.with_suffix(".update"), update)
            self._write(path, opening.to_block())
        for earlier in self._waiting():
            if earlier != path:
                earlier.with_suffix(".update").unlink(missing_ok=True)
                earlier.unlink()
        commitment = content_digest(path.read_bytes())
        self.enter(Entry.signed(self.rounds.domain, self.account, self.rounds.job_id, header.number, commitment))
        return commitment

    def open(self) -> int:
        """Publish what has been committed to on the chain; how many openings.

        What everybody can copy is not committed to again: should the round fail, the next one is trained for anew.
        """
        opened = 0
        for path in self._waiting():
            if self.rounds.batch_of(content_digest(path.read_bytes())) is not None:
                update = path.with_suffix(".update")
                if update.exists():  # otherwise it was published, and this was stopped before the opening was removed
                    self.publish(update.read_bytes())
                    self.publish(path.read_bytes())
                    update.unlink()
                path.unlink()
                opened += 1
        return opened

    def claim(self) -> int:
        """Turn the shares of settled rounds into credit; how much, in the token's smallest unit."""
        escrow, sender, claimed = self.network.escrow, TransactionSender(self.network.web3, self.account), 0
        for result in self.rounds.paid():
            share = result.shares.get(self.address)
            if share is None or escrow.functions.shareOf(result.batch_id, self.address).call()[0]:
                continue
            sender.send(escrow.functions.claim(result.batch_id, self.address, share, result.share_proof(self.address)))
            claimed += share
        return claimed

    def look(self) -> None:
        """Do what is due: open what is recorded, keep what comes of it, claim, and enter the next round."""
        self.open()
        self.rounds.look()
        self.claim()
        if not self.rounds.is_pending():
            self.take_part()

    def run(self, stop: StopEvent, pause: float) -> None:
        """Look every `pause` seconds until `stop` is set. Raises UnusableFunctionError."""
        log = structlog.get_logger("merit.trainer").bind(trainer=self.address)
        while not stop.is_set():
            try:
                self.look()
            except UnusableFunctionError:
                raise  # it would be called again and again
            except MeritError as error:
                log.warning("look_failed", reason=str(error))
            stop.wait(pause)

    def _waiting(self) -> list[Path]:
        """Openings that have not been published."""
        return sorted(self.folder.glob(f"{self.rounds.job_id}-*.opening"))

    def _late(self, number: int) -> tuple[int, bytes] | None:
        """Work that missed its round: the round whose parameters it was made from, and the update."""
        for path in self._waiting():
            opening = Opening.from_block(path.read_bytes())
            if path.with_suffix(".update").exists() and sync_score(number - opening.base_number) > 0:
                return opening.base_number, path.with_suffix(".update").read_bytes()
        return None

    def _trained(self, parameters: bytes, number: int) -> Floats:
        job = self.rounds.job
        samples = needed(self.rounds.fetch, job.data, "the job's data; try again later")
        start = needed(self.rounds.fetch, parameters, "what the round starts from; try again later")
        inputs, targets = job.model.tensors(samples)
        rows = assigned_rows(job, self.rounds.job_id, number, self.address, len(targets))
        data = TrainingData(inputs[rows], targets[rows], rows)
        return own_update(self.local_update, job.model, data, read_parameters(start, job.size), number)

    @staticmethod
    def _write(path: Path, block: bytes) -> None:
        partial = path.with_suffix(path.suffix + ".partial")
        partial.touch(mode=0o600)
        partial.write_bytes(block)
        partial.replace(path)
