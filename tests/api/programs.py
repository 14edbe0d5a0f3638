"""Programs of the tests that run in a process of their own, to be killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT


@contextmanager
def running(program: Path, *arguments: object, says: str) -> Iterator["subprocess.Popen[str]"]:
    """The program's process, from its first line on, which is `says`; killed in the end."""
    process = subprocess.Popen(
        [sys.executable, str(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{says}\n"
        yield process
    finally:
        process.kill()
        with process:  # closes its output as well
            process.wait()
