"""Real processes that hold real servers, and how to look for them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[3]
HOLDER = Path(__file__).with_name("holder.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *filter(None, sys.path)])}


@dataclass
class Holder:
    """A child process attached to a home; `facts` is what it said of itself."""

    process: subprocess.Popen[str]
    facts: dict[str, object]

    @property
    def app_url(self) -> str:
        return str(self.facts["app_url"])

    @property
    def owner_url(self) -> str:
        return str(self.facts["owner_url"])

    def end(self, number: int) -> tuple[int, str]:
        """Signal it and wait: its exit status and what it said last."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def leave(self) -> int:
        """Let it leave in order, by the end of its input."""
        self.process.communicate(timeout=60)
        return self.process.returncode


def spawn(arguments: list[str], **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        **{"env": ENVIRONMENT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **options},
    )


def first_words(process: subprocess.Popen[str]) -> Holder:
    assert process.stdout is not None
    return Holder(process, json.loads(process.stdout.readline() or "{}"))


def processes_of(home: Path) -> list[psutil.Process]:
    """Every live process that works in or for a home: servers (by folder), initdb, watchdogs, holders."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            place = ""
            with suppress(psutil.AccessDenied):
                place = process.cwd() or ""
            if str(home) in " ".join(process.cmdline()) or Path(place).is_relative_to(home):
                found.append(process)
    return found


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def postmaster_pid(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])
