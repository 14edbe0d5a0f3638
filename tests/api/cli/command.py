"""Running `dunwell` as people do: a process, its output, its exit status."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

#: The command as it was installed
INSTALLED = Path(sys.executable).with_name("dunwell")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


def environment(**variables: str | Path) -> dict[str, str]:
    """The environment without the product's own settings, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUNWELL_")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, **{name: str(value) for name, value in variables.items()}}


def dunwell(*arguments: str | Path, cwd: Path, seconds: int = 120, **variables: str | Path) -> Outcome:
    """Run a command to its end, in a process of its own that finds the libraries loaded (see starter.py)."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        out.touch()
        err.touch()
        order = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "environment": environment(**variables),
            "seconds": seconds,
            "out": str(out),
            "err": str(err),
        }
        starter = _starter()
        assert starter.stdin is not None
        assert starter.stdout is not None
        starter.stdin.write(json.dumps(order) + "\n")
        starter.stdin.flush()
        return Outcome(int(starter.stdout.readline()), out.read_text(), err.read_text())


def installed_dunwell(
    *arguments: str | Path, cwd: Path, seconds: float = 120, **variables: str | Path
) -> Outcome:
    """Run a command to its end as a shell does: the program that was installed, nothing loaded before."""
    done = subprocess.run(
        [INSTALLED, *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@functools.cache
def _starter() -> "subprocess.Popen[str]":
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.api.cli.starter"],
        cwd=ROOT,
        # Its own arithmetic needs no threads, which a fork would not take along.
        env={**environment(), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(starter.communicate)
    return starter
