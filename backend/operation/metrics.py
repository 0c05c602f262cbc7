"""Prometheus metrics of one application."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """A registry of its own, so that two applications in one process do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "merit_requests_total", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "merit_request_seconds", "Time to answer.", ("method", "route"), registry=self.registry
        )
        self.contributions = Counter(
            "merit_contributions_total",
            "Receipts given for leaves, again for those sent again.",
            registry=self.registry,
        )
        self.indexed_block = Gauge("merit_indexed_block", "Last block whose events are stored.", registry=self.registry)
        self.unrecorded_batches = Gauge(
            "merit_unrecorded_batches", "Closed batches that the chain does not hold.", registry=self.registry
        )
        self.worker_failures = Gauge(
            "merit_worker_failures", "Failures of a worker since its last success.", ("worker",), registry=self.registry
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` as its path's pattern, so that there are few."""
        key = (method, route, status)
        if key not in self._answered:  # to look children up by their labels takes longer than to count
            self._answered[key] = (self.requests.labels(*key), self.request_seconds.labels(method, route))
        requests, request_seconds = self._answered[key]
        requests.inc()
        request_seconds.observe(seconds)

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)
