"""`dunwell serve` as a person starts it: a process with a home of its own."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

from tests.api.cli.command import environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server as a person starts it, in a home of its own."""

    def __init__(self, home: Path, *verb: str) -> None:
        self.home = home
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", *(verb or ("serve",)), "--port", str(self.port)],
            cwd=home.parent,
            env=environment(DUNWELL_HOME=home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"Serving http://127.0.0.1:{self.port}/graphql"), (
            line + self.process.stdout.read()
        )

    def read_until(self, words: str) -> str:
        """What it prints up to the line with these words."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if words in line:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def let_it_print(self) -> None:
        """Read what it prints to nowhere, so that a full pipe does not hold it up."""
        threading.Thread(target=self.process.communicate, daemon=True).start()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0
        self.process.communicate()

    def get(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return int(answer.status)

    def ask(self, query: str, key: str) -> object:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def wait_for_worker(self) -> psutil.Process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # one that has just died is not the worker
                    if "worker" in child.cmdline():
                        return child
            time.sleep(0.1)
        raise AssertionError("no worker was started")
