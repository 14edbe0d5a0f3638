"""Leave in order when told to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
#: What a process ends with that one of them has unwound; as shells tell of one that died of it.
STATUSES_OF_ENDINGS = tuple(128 + number for number in _ENDINGS)


def unwind_on_termination() -> None:
    """Let SIGTERM, and a closed terminal, unwind the main thread as Ctrl-C does.

    Python's own answer to them is to die at once, past every `with`. A signal that the parent process had
    ignored (nohup) stays ignored. Call it from the main thread, before the first `attach`.

    Raises:
        ValueError: not called from the main thread.
    """
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _unwind)


def _unwind(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def cancelled_on_termination() -> Iterator[None]:
    """Inside a task of the main thread: what would unwind the thread cancels the task, and unwinds once that has ended.

    An exception that comes out of just anything may come where none gets out, of a callback of the interpreter's say:
    the process would go on as if it had not been told.
    """
    task, loop, told = asyncio.current_task(), asyncio.get_running_loop(), list[int]()

    def cancel(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        if task is not None:
            task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # so that it looks up from what it waits for

    heeded = [number for number in _ENDINGS if signal.getsignal(number) is _unwind]
    for number in heeded:
        signal.signal(number, cancel)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        for number in heeded:
            signal.signal(number, _unwind)
    if told:  # even where it came too late for anything to be cut short
        sys.exit(128 + told[0])
