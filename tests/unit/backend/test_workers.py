"""The service's own threads."""

from threading import Event

from backend.workers import Workers


def test_workers__process_that_does_not_lead__makes_only_the_steps_for_everywhere() -> None:
    led, everywhere = Event(), Event()
    workers = Workers(0.001, lambda: False)
    workers.add("led", led.set)
    workers.add("everywhere", everywhere.set, everywhere=True)
    workers.start()
    assert everywhere.wait(60)
    workers.stop()
    assert not led.is_set()
