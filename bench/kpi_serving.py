"""A server for the KPI benchmark as a user runs it, asked over HTTP; and what the processes on it take of memory."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

_SAMPLED_SECONDS = 0.002


class Serving:
    """A running server: `ask` it, as whom a key belongs to.

    By the client of the standard library: httpx takes 5 ms of its own to read an answer of 1 MB.
    """

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._process = process
        self.port = port
        self.pid = process.pid

    def ask(self, key: str, query: str, variables: Mapping[str, Any]) -> bytes:
        """The answer to a query, as it came."""
        asked = json.dumps({"query": query, "variables": variables})
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            response = self._posted(asked, headers)
        except ConnectionError:  # closed by the server while it was idle
            self._client.close()
            response = self._posted(asked, headers)
        body = response.read()
        if (
            response.status != http.HTTPStatus.OK
            or body.startswith(b'{"errors"')
            or b'"errors":[' in body[-2000:]
        ):
            raise RuntimeError(body[-2000:])
        return body

    def _posted(self, asked: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._client.request("POST", "/graphql", asked, headers)
        return self._client.getresponse()

    def peak_memory(self) -> float:
        """The most the server has held, MB."""
        return _status(self._process.pid, "VmHWM")


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[Serving]:
    """`dunwell serve` on the embedded database in `home`. settings: more of them, by environment variable."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", str(port)],
        env={**os.environ, "DUNWELL_HOME": str(home), "PYTHONPATH": str(Path.cwd()), **settings},
        stdout=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _await_answer(address)
        yield Serving(port, process)
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await_answer(address: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{address}/readyz").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise TimeoutError(address)


class PostgresMemory:
    """The most that one PostgreSQL backend held of its own (buffers shared by all apart) while this was entered, MB."""

    def __init__(self, owner_url: str) -> None:
        self._url = owner_url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak = 0.0

    def __enter__(self) -> "PostgresMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(_SAMPLED_SECONDS):
                for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity WHERE state = 'active'"):
                    self.peak = max(self.peak, _status(pid, "RssAnon"))


def _status(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)
