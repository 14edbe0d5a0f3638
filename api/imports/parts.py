"""A large file of events merged in parts, several side by side: as if its lines had come in several folders.

Each part is committed by itself, so its debtors are locked for seconds, not for the length of the file. Parts side by
side have no debtor in common and never wait for each other.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass

import polars as pl

from api.imports.folder import TableFile
from api.imports.refusals import ImportRefused
from domain.import_format import Chunk, TextCells, text_of
from domain.storage.ingest import TableReport


@dataclass(frozen=True)
class Parts:
    """rows: of a part, at least, but for the last ones. writers: how many parts are merged side by side."""

    rows: int = 250_000
    writers: int = max(2, min(4, os.cpu_count() or 2))

    def suit(self, file: TableFile, key: str) -> bool:
        """Whether a file has rows for a part or more, all its lines are plain, and its keys ascend.

        Then no key comes twice. Of lines that contradict each other none may be taken, which a part can't tell of
        another.
        """
        rows, last = 0, ""
        for _, chunk in file.chunks():
            frame = text_of(chunk)
            if frame is None:
                return False
            keys = frame[key]
            if keys.null_count() or not (keys.shift(1, fill_value=last) < keys).all():
                return False
            rows, last = rows + keys.len(), keys[-1]
        return rows >= self.rows


#: Such that a part takes seconds, and its cells some tens of megabytes.
PARTS = Parts()

#: Chunks that wait for a writer at most, about a part: it need not wait for the file when it has merged one.
_AHEAD = 12


async def merge_in_parts(
    chunks: Iterable[Chunk], merge_part: Callable[[Sequence[Chunk]], Awaitable[TableReport]], parts: Parts
) -> TableReport:
    """Merge chunks of events by `merge_part`, and sum up what it answers.

    Raises:
        Exception: what `merge_part` raised first; parts that were merged before stay, others are given up.
    """
    queues: list[asyncio.Queue[Chunk | None]] = [asyncio.Queue(_AHEAD) for _ in range(parts.writers)]
    try:
        async with asyncio.TaskGroup() as tasks:
            writing = [
                tasks.create_task(
                    _write(queue, merge_part, parts.rows, first=parts.rows * at // parts.writers)
                )
                for at, queue in enumerate(queues, start=1)
            ]
            for chunk in chunks:
                for queue, share in zip(queues, _by_debtor(chunk, parts.writers), strict=True):
                    await queue.put(share)
            for queue in queues:
                await queue.put(None)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return _sum(task.result() for task in writing)


def _sum(reports: Iterable[TableReport]) -> TableReport:
    return TableReport(*map(sum, zip(*map(astuple, reports), strict=True)))


async def _write(
    queue: asyncio.Queue[Chunk | None],
    merge_part: Callable[[Sequence[Chunk]], Awaitable[TableReport]],
    rows: int,
    first: int,
) -> TableReport:
    """Parts of so many rows, the first of fewer: writers that begin at different times are not all reading at once."""
    merged, part, at_end, enough = TableReport(), list[Chunk](), False, first
    while not at_end:
        chunk = await queue.get()
        at_end = chunk is None
        if chunk is not None:
            part.append(chunk)
        if part and (at_end or sum(len(one.lines) for one in part) >= enough):
            merged, part, enough = _sum((merged, await merge_part(part))), [], rows
    return merged


def _by_debtor(chunk: Chunk, writers: int) -> Iterator[Chunk]:
    """Each writer's share: all lines of a debtor go to one, whatever chunk they are in."""
    frame, lines = text_of(chunk), pl.Series(chunk.lines)
    if frame is None:  # the file has changed since it was looked at
        raise ImportRefused(
            "UNREADABLE_FILE", "The file of events was changed while it was read. Import it again."
        )
    owner = frame["debtor"].hash() % writers
    for writer in range(writers):
        mine = owner == writer
        yield Chunk(lines.filter(mine).to_list(), TextCells(frame.filter(mine)))
