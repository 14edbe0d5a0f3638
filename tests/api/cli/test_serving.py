"""`dunwell serve` on the embedded PostgreSQL: it starts everything, keeps the data, and leaves nothing running."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.api.cli.command import dunwell, environment


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


def left_running(home: Path) -> list[str]:
    """Processes that belong to a home: its PostgreSQL, its watchdog, its server and worker."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            owned = process.environ().get("DUNWELL_HOME") == str(home)
        except psutil.Error:
            continue
        if owned or any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


def until_nothing_runs(home: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := left_running(home):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve") / "home"


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    server = Server(home)
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_stop_leaves_nothing_running(server: Server, home: Path, number: signal.Signals) -> None:
    server.wait_until_ready()
    assert server.get("/readyz") == 200
    worker = server.wait_for_worker()
    server.process.send_signal(number)
    assert server.process.wait(timeout=60) == 0
    assert not worker.is_running()
    assert left_running(home) == []


def test_a_killed_server_takes_everything_with_it(server: Server, home: Path) -> None:
    server.wait_until_ready()
    server.wait_for_worker()
    server.process.kill()
    server.process.wait()
    until_nothing_runs(home, seconds=60)


def test_a_dead_worker_is_started_again(server: Server) -> None:
    server.wait_until_ready()
    first = server.wait_for_worker()
    os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while (second := server.wait_for_worker()).pid == first.pid:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert second.is_running()


def test_the_next_start_keeps_the_data(server: Server, home: Path) -> None:
    server.wait_until_ready()
    made = dunwell("tenant", "create", "kept", "--name", "Kept", cwd=home.parent, DUNWELL_HOME=home)
    assert made.status == 0, made.err
    key = dunwell("key", "create", "--tenant", "kept", "--role", "READER", cwd=home.parent, DUNWELL_HOME=home)
    server.process.send_signal(signal.SIGINT)
    server.process.wait(timeout=60)
    again = Server(home)
    try:
        again.wait_until_ready()
        answer = again.ask("{ debtors(first: 1) { totalCount } }", key.out.strip())
        assert answer == {"data": {"debtors": {"totalCount": 0}}}
    finally:
        again.process.send_signal(signal.SIGINT)
        again.process.communicate(timeout=60)


def test_a_taken_port_is_named_and_nothing_is_left(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = dunwell("serve", "--port", port, cwd=home.parent, DUNWELL_HOME=home)
    assert done.status == 1
    assert done.err.startswith("ADDRESS_NOT_AVAILABLE: ")
    assert port in done.err
    assert left_running(home) == []


def test_the_demo_answers_and_its_second_start_finds_everything_done(tmp_path: Path) -> None:
    home, keys, query = (
        tmp_path / "home",
        [],
        "{ modelVersions(first: 5) { edges { node { version } } } }",
    )
    for _ in range(2):
        server = Server(home, "demo", "--debtors", "60")
        try:
            printed = server.read_until("Stop with Ctrl-C")
            keys += re.findall(r"API key .*: (dw_\S+)", printed)
            assert f"http://127.0.0.1:{server.port}/graphql#key={keys[-1]}" in printed
            answer = server.ask(query, keys[-1])
            assert answer == {"data": {"modelVersions": {"edges": [{"node": {"version": 1}}]}}}
            page = server.ask(
                "{ segmentRecommendations { segment { key } recommendation { evidence } } }", keys[-1]
            )
            assert "errors" not in page
        finally:
            server.stop()
        assert left_running(home) == []
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert "Training" not in printed
    assert (home / "demo" / "key").stat().st_mode & 0o777 == 0o600
