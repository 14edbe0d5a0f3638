"""The command line, `dunwell`: every verb of docs/contract/cli.md that there is."""

import os
import signal
from types import FrameType
from typing import NoReturn

#: What shells expect of a command that Ctrl-C ended
INTERRUPTED = 130


def main() -> None:
    """Run the verb that was asked for; exit status 0 only when all of it was done."""
    interrupting = signal.getsignal(signal.SIGINT)
    if interrupting is signal.default_int_handler:  # else whoever started us wants it ignored
        signal.signal(signal.SIGINT, _leave)
    from api.cli import (  # each adds its verbs
        demo,
        documents,
        edge,
        facts,
        keys,
        models,
        planning,
        serving,
        setup,
        training,
    )

    signal.signal(signal.SIGINT, interrupting)
    edge.run(setup, keys, documents, facts, training, models, planning, serving, demo)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: while modules load nothing has begun, and an exception would come out of them as anything."""
    os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)
