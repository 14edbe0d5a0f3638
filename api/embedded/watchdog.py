"""Stops the server when its last user died without saying so.

A process that leaves in order stops the server itself. One that is killed cannot, so a small process in a
session of its own looks twice a second whether anybody still holds the holders' lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from api.embedded.cluster import stop
from api.embedded.layout import Layout
from api.embedded.locks import FileLock, is_held

logger = logging.getLogger("dunwell.embedded")

_LOOK_EVERY_SECONDS = 0.5
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from api.embedded.watchdog import main; main(sys.argv[2], int(sys.argv[3]))"
)


def ensure_watchdog(layout: Layout) -> None:
    """Start the home's watchdog unless it runs; the gate must be held. Raises OSError when locks fail."""
    with FileLock(layout.watchdog_lock) as lock:
        if not lock.try_exclusive():
            return
        os.ftruncate(lock.descriptor, 0)
        checkout = Path(__file__).resolve().parents[2]
        arguments = [str(checkout), str(layout.home), str(lock.descriptor)]
        try:
            child = subprocess.Popen(  # noqa: S603  our own command line
                # The standard library is all it needs; without site-packages it is small and quick to start.
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                pass_fds=(lock.descriptor,),
            )
        except OSError as error:
            logger.warning(
                "no watchdog (%s): after kill -9 PostgreSQL stays until the next start", error.strerror
            )
            return
    threading.Thread(target=child.wait, name="embedded-postgres-watchdog-reaper", daemon=True).start()


def dismiss_watchdog(layout: Layout) -> None:
    """End the home's watchdog, if one runs, and wait until it is gone; the gate must be held."""
    signalled = False
    with FileLock(layout.watchdog_lock) as lock:
        while not lock.try_exclusive():
            written = os.pread(lock.descriptor, 20, 0)
            if written.endswith(b"\n") and not signalled:
                # The lock is held, so the process id in its file is still the watchdog's.
                signalled = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(written), signal.SIGTERM)
            time.sleep(0.005)


def main(home: str, descriptor: int) -> None:
    """Watch one home until its server is stopped; `descriptor` is the inherited, locked watchdog.lock."""
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    while not _stopped_unused(Path(home), descriptor):
        time.sleep(_LOOK_EVERY_SECONDS)


def _stopped_unused(home: Path, descriptor: int) -> bool:
    """Stop the server if nobody uses it; False while it is in use, or somebody is just coming or going."""
    layout = Layout.of(home)
    with FileLock(layout.gate_lock) as gate:
        if not gate.try_exclusive() or is_held(layout.holders_lock):
            return False
        stop(layout)
        # Given up behind the gate: whoever comes next finds no watchdog and starts one of his own.
        os.close(descriptor)
        return True
