"""Load from processes of its own: requests that were prepared before, sent as fast as they are answered."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import aiohttp


@dataclass(frozen=True)
class Sent:
    """What came of prepared requests: seconds in all and of each, and the receipts that were given."""

    seconds: float
    latencies: list[float]
    receipts: list[str]

    @property
    def p99(self) -> float:
        """Milliseconds that 99 of 100 requests did not exceed."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)] * 1000


def send(url: str, queues: Sequence[Sequence[bytes]]) -> Sent:
    """Submit bodies: those of one queue one after the other, all queues at once."""
    return asyncio.run(_send(url, queues))


async def _send(url: str, queues: Sequence[Sequence[bytes]]) -> Sent:
    latencies: list[float] = []
    answers: list[bytes] = []
    async with _session(url) as http:

        async def one(queue: Sequence[bytes]) -> None:
            for body in queue:
                started = time.perf_counter()
                async with http.post(
                    "/v1/contributions", data=body, headers={"Content-Type": "application/json"}
                ) as response:
                    answers.append(await response.read())
                    latencies.append(time.perf_counter() - started)
                    if response.status != 201:
                        raise SystemExit(f"A submission was refused: {answers[-1].decode()}")

        started = time.perf_counter()
        await asyncio.gather(*(one(queue) for queue in queues))
        seconds = time.perf_counter() - started
    return Sent(seconds, latencies, [receipt["id"] for answer in answers for receipt in json.loads(answer)["receipts"]])


def read(url: str, paths: Sequence[str], requests: int, connections: int) -> Sent:
    """Get so many times one of `paths` in turn."""
    return asyncio.run(_read(url, paths, requests, connections))


async def _read(url: str, paths: Sequence[str], requests: int, connections: int) -> Sent:
    latencies: list[float] = []
    async with _session(url) as http:

        async def reader(number: int) -> None:
            for at in range(requests // connections):
                started = time.perf_counter()
                async with http.get(paths[(at + number) % len(paths)]) as response:
                    await response.read()
                    response.raise_for_status()
                latencies.append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(reader(number) for number in range(connections)))
        return Sent(time.perf_counter() - started, latencies, [])


def follow(url: str, streams: int, batches: int, patience: float, pipe: Connection) -> None:
    """Open event streams, say so through `pipe`, then say how many did not see so many batches within `patience` s."""
    asyncio.run(_follow(url, streams, batches, patience, pipe))


async def _follow(url: str, streams: int, batches: int, patience: float, pipe: Connection) -> None:
    listening = 0
    async with _session(url) as http:

        async def one() -> None:
            nonlocal listening
            seen = 0
            async with http.get("/v1/events") as response:
                rest = await response.content.readany()
                listening += 1
                if listening == streams:
                    pipe.send("connected")
                while seen < batches:
                    *lines, rest = (rest + await response.content.readany()).split(b"\n")
                    seen += lines.count(b"event: Recorded")
                    if response.content.at_eof():
                        raise ConnectionError("the stream ended")

        tasks = [asyncio.create_task(one()) for _ in range(streams)]
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pipe.send(sum(task.cancelled() or task.exception() is not None for task in tasks))


def _session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_read=60)
    )
