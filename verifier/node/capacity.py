"""Whether another audit can be examined in time."""

from collections.abc import Callable
from threading import Lock

# Weight of the newest examination in the average.
_NEWEST = 0.2


class Capacity:
    """How long the node takes per examination while it is busy, however many run side by side. Safe to share."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._running = 0
        self._since = 0.0
        self._average = 0.0
        self._lock = Lock()

    @property
    def average(self) -> float:
        """Seconds from one examination's end to the next one's while there is work; 0 before the first end."""
        with self._lock:
            return self._average

    def began(self) -> None:
        """Note an examination's beginning."""
        with self._lock:
            if self._running == 0:
                self._since = self._monotonic()
            self._running += 1

    def ended(self) -> None:
        """Note an examination's end."""
        with self._lock:
            now = self._monotonic()
            interval, self._since = now - self._since, now
            self._running -= 1
            self._average += (interval - self._average) * (_NEWEST if self._average else 1.0)

    def admits(self, waiting: int, seconds_left: float) -> bool:
        """Whether an examination behind `waiting` others can be expected to end in time.

        An idle node always tries: an audit that it declines costs it the same as one that it misses, and without trying
        it would never learn that it has become faster.
        """
        return waiting == 0 or self.average * (waiting + 1) <= seconds_left
