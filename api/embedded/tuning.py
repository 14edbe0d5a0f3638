"""PostgreSQL's settings for the machine at hand (PostgreSQL 18 manual, chapter 19)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

_MIB = 2**20
_SHM = Path("/dev/shm")  # noqa: S108  its size is read, nothing is put there
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
"""Who may connect: everybody on this machine who knows a password, nobody else."""


def machine_memory() -> int:
    """Bytes of memory this process may use: the machine's, or its container's when that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # absent, or the word "max": no limit
            memory = min(memory, int(limit.read_text(encoding="ascii")))
    return memory


def small_shared_memory() -> bool:
    """Whether /dev/shm is too small for parallel queries (a default container has 64 MiB)."""
    if not _SHM.is_dir():
        return False
    shm = os.statvfs(_SHM)
    return shm.f_frsize * shm.f_blocks < 512 * _MIB


def server_settings(*, port: int, memory: int, cpus: int, small_shm: bool) -> dict[str, str]:
    """The settings of one start; `memory` in bytes.

    The server shares its machine with training and the API, so it takes an eighth of the memory and no more
    than 512 MiB for its own buffers and leaves the rest to the system's page cache.
    The log never carries statements, parameters or row contents: they hold personal data.
    """
    shared_buffers = max(32, min(512, memory // 8 // _MIB))
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
        "password_encryption": "scram-sha-256",
        "client_connection_check_interval": "5s",
        "shared_buffers": f"{shared_buffers}MB",
        "effective_cache_size": f"{max(64, memory // 2 // _MIB)}MB",
        "work_mem": "32MB" if memory >= 4096 * _MIB else "8MB",
        "maintenance_work_mem": f"{max(32, min(256, memory // 16 // _MIB))}MB",
        "max_wal_size": "4GB",
        "min_wal_size": "128MB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "max_parallel_workers": str(max(1, cpus)),
        "max_parallel_workers_per_gather": str(max(0, min(2, cpus - 1))),
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] ",
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "off",
    }
    if small_shm:
        settings["dynamic_shared_memory_type"] = "sysv"
    return settings


def render(settings: Mapping[str, str], local_conf: Path) -> str:
    """The text of postgresql.conf; the machine owner's `local_conf`, when there is one, comes last and wins.

    Its text is copied, not included: the server may run as a user that cannot read it.

    Raises:
        OSError: `local_conf` is there and cannot be read.
    """
    lines = ["# Written by dunwell at every start. Put settings of your own into:", f"# {local_conf}"]
    lines += [f"{name} = {_quote(value)}" for name, value in settings.items()]
    with contextlib.suppress(FileNotFoundError):
        lines.append(local_conf.read_text(encoding="utf-8").rstrip())
    return "\n".join(lines) + "\n"


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
