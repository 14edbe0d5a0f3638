"""What can go wrong with the embedded PostgreSQL, as stable codes with texts a person can act on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

_OWN_SERVER = "or point DUNWELL_DATABASE_URL at a PostgreSQL of your own, 16 or newer"


class ErrorCode(StrEnum):
    """Stable codes: scripts may compare them, texts may change."""

    PORT_TAKEN = "PORT_TAKEN"
    PORT_FORBIDDEN = "PORT_FORBIDDEN"
    DISK_FULL = "DISK_FULL"
    FOLDER_NOT_WRITABLE = "FOLDER_NOT_WRITABLE"
    LOCKS_UNSUPPORTED = "LOCKS_UNSUPPORTED"
    NAMESPACES_FORBIDDEN = "NAMESPACES_FORBIDDEN"
    USER_UNKNOWN = "USER_UNKNOWN"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    START_TIMEOUT = "START_TIMEOUT"
    START_FAILED = "START_FAILED"
    CREDENTIALS_LOST = "CREDENTIALS_LOST"
    DATA_MISSING = "DATA_MISSING"
    VERSION_MISMATCH = "VERSION_MISMATCH"
    HOME_TOO_NEW = "HOME_TOO_NEW"
    BINARIES_MISSING = "BINARIES_MISSING"
    PLATFORM_UNSUPPORTED = "PLATFORM_UNSUPPORTED"


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; `code` says why, `message` also what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def disk_full(folder: Path) -> EmbeddedPostgresError:
    """The disk that holds `folder` has no room left for PostgreSQL."""
    return EmbeddedPostgresError(
        ErrorCode.DISK_FULL,
        f"the disk that holds {folder} has too little room for the database ({_free_space(folder)} now). "
        "Free some space there, or set DUNWELL_HOME to a folder on another disk, then start again.",
    )


def folder_not_writable(folder: Path, reason: str) -> EmbeddedPostgresError:
    """`folder` cannot be used for data by the current user."""
    return EmbeddedPostgresError(
        ErrorCode.FOLDER_NOT_WRITABLE,
        f"the folder {folder} cannot hold the database: {reason}. Give the user that runs dunwell "
        f"ownership and write access to it, or set DUNWELL_HOME to a folder of that user.",
    )


def port_taken(port: int) -> EmbeddedPostgresError:
    """The fixed port asked for is in use by another program."""
    return EmbeddedPostgresError(
        ErrorCode.PORT_TAKEN,
        f"port {port} on 127.0.0.1 is already in use by another program. Stop that program, choose "
        "another port, or leave the port unset so that a free one is chosen.",
    )


def port_forbidden(port: int) -> EmbeddedPostgresError:
    """The fixed port asked for may not be opened by the current user."""
    return EmbeddedPostgresError(
        ErrorCode.PORT_FORBIDDEN,
        f"port {port} on 127.0.0.1 may not be opened by this user (ports below 1024 are reserved). "
        "Choose a port from 1024 to 65535, or leave the port unset so that a free one is chosen.",
    )


def namespaces_forbidden(folder: Path, reason: str) -> EmbeddedPostgresError:
    """Running as root, and no way was found to run PostgreSQL as somebody else."""
    return EmbeddedPostgresError(
        ErrorCode.NAMESPACES_FORBIDDEN,
        f"PostgreSQL refuses to run as root, and it could not be started as another user for {folder}: "
        f"{reason}. Run dunwell as a normal user that owns this folder, {_OWN_SERVER}.",
    )


def user_unknown(folder: Path, uid: int | None) -> EmbeddedPostgresError:
    """The user has a number but no name, which initdb does not accept."""
    number = "of this process" if uid is None else str(uid)
    return EmbeddedPostgresError(
        ErrorCode.USER_UNKNOWN,
        f"the database in {folder} cannot be made: the user id {number} has no entry in /etc/passwd, which "
        f"PostgreSQL's initdb needs. Add one, run as a user that has one, {_OWN_SERVER}.",
    )


def from_os_error(error: OSError, folder: Path) -> EmbeddedPostgresError:
    """Name an operating-system error met while working in `folder`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(folder)
    if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
        return EmbeddedPostgresError(
            ErrorCode.LOCKS_UNSUPPORTED,
            f"the disk that holds {folder} has no file locks (a network or shared folder?). "
            "Set DUNWELL_HOME to a folder on a local disk.",
        )
    return folder_not_writable(Path(error.filename or folder), error.strerror or type(error).__name__)


def from_server_output(output: str, folder: Path, port: int | None, log: Path) -> EmbeddedPostgresError:
    """Name the failure of `initdb` or `postgres` from what it printed.

    PostgreSQL has no machine-readable start errors; the phrases are those of its C-locale messages
    (src/backend/libpq/pqcomm.c, src/backend/utils/init/miscinit.c) and of strerror(3).
    """

    if port is not None and "could not bind" in output and "Permission denied" in output:
        return port_forbidden(port)
    causes: list[tuple[tuple[str, ...], Callable[[], EmbeddedPostgresError]]] = [
        (
            ("No space left on device", "Disk quota exceeded", "Check free disk space"),
            lambda: disk_full(folder),
        ),
        (("Cannot allocate memory", "could not map anonymous shared memory"), lambda: _out_of_memory(folder)),
        (("could not look up effective user ID",), lambda: user_unknown(folder, None)),
        (
            ("Permission denied", "wrong ownership", "invalid permissions", "Read-only file system"),
            lambda: folder_not_writable(folder, "PostgreSQL may not read or write it"),
        ),
    ]
    if port is not None:
        causes.insert(0, (("Address already in use",), lambda: port_taken(port)))
    for phrases, cause in causes:
        if any(phrase in output for phrase in phrases):
            return cause()
    return EmbeddedPostgresError(
        ErrorCode.START_FAILED,
        f"the database in {folder} did not start. The last lines of {log} say: {_last_lines(output)}",
    )


def _out_of_memory(folder: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        ErrorCode.OUT_OF_MEMORY,
        f"there is not enough free memory to start the database in {folder}. Free some memory, or lower "
        "shared_buffers in a file local.conf in that folder.",
    )


def version_mismatch(folder: Path, found: str) -> EmbeddedPostgresError:
    """The data in `folder` were written by an older PostgreSQL than the one carried."""
    return EmbeddedPostgresError(
        ErrorCode.VERSION_MISMATCH,
        f"the data in {folder} were written by PostgreSQL {found}, this dunwell carries PostgreSQL 18. Dump "
        "them with the dunwell that wrote them and restore them with this one: docs/operations.md tells how.",
    )


def home_too_new(folder: Path, found: str) -> EmbeddedPostgresError:
    """The data in `folder` were written by a newer PostgreSQL than the one carried."""
    return EmbeddedPostgresError(
        ErrorCode.HOME_TOO_NEW,
        f"the data in {folder} were written by PostgreSQL {found}, which is newer than the 18 that this "
        "dunwell carries. Use the newer dunwell again, or set DUNWELL_HOME to another folder.",
    )


def _free_space(folder: Path) -> str:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    return f"{shutil.disk_usage(existing).free / 2**20:,.0f} MiB free"


def _last_lines(output: str, count: int = 5) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "(nothing)"
