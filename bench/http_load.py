"""HTTP requests as fast as a server answers them, over a few kept connections; and what that costs of processors."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psutil
import uvloop

_END_OF_HEAD = b"\r\n\r\n"


@dataclass
class Load:
    """What was seen: seconds of each answer, the length of the last, and processor seconds by process group."""

    seconds: float = 0.0
    taken: list[float] = field(default_factory=list)
    length: int = 0
    processor: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.taken) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share of the answers came."""
        return 1000 * sorted(self.taken)[min(int(share * len(self.taken)), len(self.taken) - 1)]

    def milliseconds(self, group: str) -> float:
        """Processor milliseconds of a group for one request."""
        return 1000 * self.processor[group] / len(self.taken)


def request_bytes(body: bytes, key: str = "") -> bytes:
    """A POST to /graphql."""
    head = [
        "POST /graphql HTTP/1.1",
        "Host: bench",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join(head).encode() + _END_OF_HEAD + body


def drive(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Send the requests over and over for some seconds."""
    load = Load()

    async def all_connections() -> None:
        loop = asyncio.get_running_loop()
        ends = time.perf_counter() + seconds
        done = [loop.create_future() for _ in range(connections)]
        begun = time.perf_counter()
        for number, future in enumerate(done):
            first = number * len(requests) // connections
            await loop.create_connection(
                partial(_Sender, load, requests, first, ends, future), "127.0.0.1", port
            )
        await asyncio.gather(*done)
        load.seconds = time.perf_counter() - begun

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_connections())
    return load


class _Sender(asyncio.Protocol):
    """One connection: the next request as soon as the answer is whole."""

    def __init__(
        self, load: Load, requests: Sequence[bytes], first: int, ends: float, done: "asyncio.Future[None]"
    ) -> None:
        self._load, self._requests, self._next = load, requests, first
        self._ends, self._done = ends, done
        self._read = bytearray()
        self._whole = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._read.clear()
        self._whole = 0
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, received: bytes) -> None:
        self._read += received
        if not self._whole:
            head = self._read.find(_END_OF_HEAD)
            if head < 0:
                return
            fields = bytes(self._read[:head]).lower()
            at = fields.index(b"content-length:") + 15
            self._load.length = int(fields[at:].split(b"\r\n", 1)[0])
            self._whole = head + 4 + self._load.length
        if len(self._read) < self._whole:
            return
        if not self._read.startswith(b"HTTP/1.1 200") or self._read.find(b'"errors"', 0, 400) >= 0:
            self._done.set_exception(RuntimeError(bytes(self._read[:2000])))
            return
        now = time.perf_counter()
        self._load.taken.append(now - self._sent)
        if now < self._ends:
            self._send()
        else:
            self._transport.close()
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("closed"))


@contextmanager
def processor_time(found: dict[str, float], groups: Mapping[str, Callable[[], list[int]]]) -> Iterator[None]:
    """Adds up what groups of processes, their ids asked for before and after, take of processors meanwhile; seconds."""
    before = {pid: _seconds_of(pid) for pids in groups.values() for pid in pids()}
    yield
    for name, pids in groups.items():
        found[name] = sum(_seconds_of(pid) - before.get(pid, 0.0) for pid in pids())


def _seconds_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def children_of(pid: int) -> list[int]:
    """A process and its children: PostgreSQL and its backends."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
