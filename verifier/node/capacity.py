"""Whether another audit can be examined in time."""

from threading import Lock

# Weight of the newest examination in the average.
_NEWEST = 0.2


class Capacity:
    """The average length of the examinations so far; safe to share between threads."""

    def __init__(self, concurrency: int) -> None:
        """concurrency: examinations that run side by side."""
        self._concurrency = concurrency
        self._average = 0.0
        self._lock = Lock()

    @property
    def average(self) -> float:
        """Seconds that an examination takes; 0 before the first."""
        with self._lock:
            return self._average

    def took(self, seconds: float) -> None:
        """Note the length of a finished examination."""
        with self._lock:
            self._average += (seconds - self._average) * (_NEWEST if self._average else 1.0)

    def admits(self, waiting: int, seconds_left: float) -> bool:
        """Whether an examination behind `waiting` others can be expected to end in time."""
        return self.average * (waiting // self._concurrency + 1) <= seconds_left
