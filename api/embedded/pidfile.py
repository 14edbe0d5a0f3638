"""What PostgreSQL writes of itself into postmaster.pid, and how far it can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.embedded.errors import EmbeddedPostgresError, ErrorCode
from api.embedded.layout import Layout, write_private

_NO_PROCESS = 2**31 - 1


@dataclass(frozen=True)
class Postmaster:
    """What a running server says of itself in postmaster.pid."""

    pid: int
    port: int
    ready: bool


def read_postmaster(data: Path) -> Postmaster | None:
    """Read postmaster.pid (miscadmin.h: pid in line 1, port in 4, status in 8); None while incomplete."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return Postmaster(int(lines[0]), int(lines[3]), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def disown_stale_pid(layout: Layout) -> None:
    """Keep a process id that now belongs to another program from blocking the start after a crash.

    PostgreSQL takes any live process with the id in postmaster.pid for itself, and in a restarted container
    there often is one. The line is replaced by an id no system gives out, not removed: the rest of the file lets
    PostgreSQL find shared memory that is still in use.

    Raises:
        EmbeddedPostgresError: START_FAILED, when a server that was started by hand uses the data.
    """
    pid_file = layout.data / "postmaster.pid"
    if not pid_file.exists() or not Path("/proc/self/cwd").exists():
        return  # without /proc PostgreSQL's own judgement stands
    old = read_postmaster(layout.data)
    if old is None:  # cut short by a crash; PostgreSQL would wait for a person to remove it
        pid_file.unlink()
        return
    if _serves(old.pid, layout.data):
        raise EmbeddedPostgresError(
            ErrorCode.START_FAILED,
            f"a PostgreSQL that dunwell did not start (process {old.pid}) uses {layout.data}. Stop it first.",
        )
    rest = pid_file.read_text(encoding="utf-8", errors="replace").partition("\n")[2]
    write_private(pid_file, f"{_NO_PROCESS}\n{rest}")


def is_postgres(pid: int) -> bool:
    """Guards against a process id given to another program since; without /proc the pid file is believed."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip() == "postgres"
    except OSError:
        return not Path("/proc/self/comm").exists()


def _serves(pid: int, data: Path) -> bool:
    try:
        return is_postgres(pid) and Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:  # gone, dead but not reaped, or somebody else's
        return False
