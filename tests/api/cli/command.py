"""Running `dunwell` as people do: a process, its output, its exit status."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT


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


def dunwell(*arguments: str | Path, cwd: Path, seconds: float = 120, **variables: str | Path) -> Outcome:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
