"""`make bench`: run every benchmark, or those named on the command line; exit status 1 when a goal is missed.

A benchmark is a module of this folder with `run(report)`. Each has a process of its own, so that none warms another.
"""

import importlib
import subprocess
import sys
from pathlib import Path

from bench.measuring import Report

BENCHMARKS = tuple(
    sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if "\ndef run(report: Report)" in path.read_text()
    )
)


def main(names: list[str]) -> int:
    """Run them one after the other."""
    if names[:1] == ["--in-this-process"]:
        return run_one(names[1])
    missed = 0
    for name in names or BENCHMARKS:
        missed += (
            subprocess.run(
                [sys.executable, "-m", "bench.run", "--in-this-process", name], check=False
            ).returncode
            != 0
        )
    return 1 if missed else 0


def run_one(name: str) -> int:
    """Run one benchmark here."""
    if name not in BENCHMARKS:
        print(f"There is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print(name, flush=True)
    report = Report(name)
    importlib.import_module(f"bench.{name}").run(report)
    return 0 if report.write() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
