"""A worker beside the server: a process of its own, niced, so that training never starves a request."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

import psycopg

logger = logging.getLogger("dunwell.worker")

_NICENESS = 10
_RESTART_SECONDS = 2.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 1.0
#: A restart of PostgreSQL by hand is over by then.
_LOOKS_IN_VAIN = 10
#: The libraries that would each take every core.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def leave_a_core() -> int:
    """Threads for a worker that shares the machine with a server: all cores but one, at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


class WorkerChild:
    """Keeps `dunwell worker` running until it is left; one that dies is started again and carries on its jobs.

    The child ends when its standard input does, so it never outlives this process, however this process ends.
    """

    def __init__(self) -> None:
        self._leaving = threading.Event()
        self._process = self._spawn()
        self._watch = threading.Thread(target=self._keep_alive, name="worker-child", daemon=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        threads = dict.fromkeys(_THREAD_VARIABLES, str(leave_a_core()))
        # A session of its own: Ctrl-C is for the server, which then closes the child's input.
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli", "worker", "--until-input-ends"],
            stdin=subprocess.PIPE,
            env={**threads, **os.environ},
            start_new_session=True,
        )

    def _keep_alive(self) -> None:
        while not self._leaving.is_set():
            status = self._process.wait()
            if self._leaving.wait(_RESTART_SECONDS):
                return
            logger.warning("the worker ended with status %d; starting it again", status)
            self._process = self._spawn()

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        _end(self._process)
        self._watch.join(timeout=_STOP_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def be_modest() -> None:
    """Called in the child: give way to whatever else runs on this machine."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def end_with_parent() -> None:
    """End this process at once when its standard input does, that is when the parent has gone.

    At once, as nothing is lost by it: jobs are durable, and locks end with their process.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def end_with_database(url: str, ending: threading.Event) -> None:
    """End this process once the embedded PostgreSQL has not been reached for a while, unless it is ending anyway: an
    embedded PostgreSQL is started again by whoever attaches next, as the worker after this one does.

    By a connection of its own, and at once, since the libraries of jobs try what they were doing again without end.
    """

    def watch() -> None:
        connection, in_vain = None, 0
        while in_vain < _LOOKS_IN_VAIN:
            if ending.wait(_LOOK_SECONDS):
                return
            try:
                connection = connection or psycopg.connect(
                    url, autocommit=True, application_name="dunwell watch"
                )
                connection.execute("SELECT 1")
                in_vain = 0
            except psycopg.Error:
                connection = None
                in_vain += 1
        logger.warning("PostgreSQL cannot be reached; this worker ends")
        os._exit(1)

    threading.Thread(target=watch, name="database-watch", daemon=True).start()
