"""Leave in order when told to end."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


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
