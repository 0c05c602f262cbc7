"""Watching what others propose as an epoch's scores, beside the node's audits."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as StopEvent
from threading import Thread

import structlog

from chain.errors import MeritError
from verifier.epochs.challenger import EpochChallenger
from verifier.node.telemetry import Telemetry

_log = structlog.get_logger("merit.epochs")


@contextmanager
def watching(challenger: EpochChallenger, telemetry: Telemetry, pause: float) -> Iterator[None]:
    """Let `challenger` step in a thread of its own while the block runs. pause: seconds between steps."""
    stop = StopEvent()
    thread = Thread(target=_watch, args=(challenger, telemetry, pause, stop), name="merit-epochs")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(challenger: EpochChallenger, telemetry: Telemetry, pause: float, stop: StopEvent) -> None:
    told: str | None = None
    while not stop.is_set():
        try:
            for sentence in challenger.step():
                telemetry.epoch_disputed()
                _log.warning("epoch_disputed", what=sentence)
            examined = challenger.examined
            if examined is not None and examined.sentence != told:
                told = examined.sentence
                telemetry.epoch_examined(examined.is_right)
                _log.info("epoch_examined", epoch=examined.proposal.epoch, verdict=told)
        except MeritError as error:
            telemetry.epoch_failed()
            _log.warning("epoch_watch_failed", reason=str(error))
        except Exception:  # an endpoint can answer anything, and a wrong proposal can be challenged at the next step
            telemetry.epoch_failed()
            _log.exception("epoch_watch_failed")
        stop.wait(pause)
