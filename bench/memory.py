"""The most memory that processes held of their own while a block ran."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_SECONDS = 0.05


@dataclass
class Peak:
    """megabytes: process id → the most private memory seen (shared buffers of a database server are not its own)."""

    megabytes: dict[int, float] = field(default_factory=dict)


@contextmanager
def peak_memory(pids: Sequence[int]) -> Iterator[Peak]:
    """Watch processes from a thread, as Linux tells it; what has ended is no longer counted."""
    peak, done = Peak(dict.fromkeys(pids, 0.0)), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY_SECONDS):
            for pid in pids:
                peak.megabytes[pid] = max(peak.megabytes[pid], _private_megabytes(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _private_megabytes(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0.0
