"""Starts commands of `dunwell` with the libraries loaded beforehand: loading them is most of what a short command does.

Reads an order a line from its input, as JSON: arguments, cwd, environment, seconds, and the files for what the command
prints. Each command is a process of its own, forked, which loads all of dunwell itself; how it ended is answered in a
line. Ends with its input.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

#: What commands load and dunwell has not written. Without polars, which starts threads that no fork would take along.
LIBRARIES = (
    "alembic.command",
    "asyncpg",
    "dbos",
    "lightgbm",
    "psycopg",
    "pydantic_settings",
    "rich.progress",
    "scipy.optimize",
    "sklearn",
    "sqlalchemy.ext.asyncio",
    "strawberry",
    "structlog",
    "typer",
)


def main() -> None:
    """Take orders; what follows the fork is the command, down to how its interpreter ends."""
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # else each command would look through all of them when it ends, and copy their memory for that
    for line in iter(sys.stdin.readline, ""):  # without reading ahead
        order = json.loads(line)
        command = os.fork()
        if command == 0:
            become(order)
            runpy.run_module("api.cli", run_name="__main__", alter_sys=True)
            return
        _, ended = os.waitpid(command, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


def become(order: dict) -> None:
    """Be a process as if the command had been typed: its arguments, place, environment, input and outputs."""
    signal.alarm(order["seconds"])
    for descriptor, file, flags in (
        (0, "/dev/null", os.O_RDONLY),
        (1, order["out"], os.O_WRONLY),
        (2, order["err"], os.O_WRONLY),
    ):
        opened = os.open(file, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [str(Path(order["cwd"]) / "dunwell"), *order["arguments"]]
    sys.path[0] = order["cwd"]


if __name__ == "__main__":
    main()
