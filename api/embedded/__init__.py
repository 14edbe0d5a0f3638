"""The PostgreSQL 18 that dunwell brings along, for whoever has no server of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from api.embedded.errors import EmbeddedPostgresError, ErrorCode
from api.embedded.signals import unwind_on_termination

if TYPE_CHECKING:
    from api.embedded.launcher import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "ErrorCode", "unwind_on_termination"]


def __getattr__(name: str) -> type[EmbeddedPostgres]:
    if name != "EmbeddedPostgres":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if sys.platform == "win32":
        raise EmbeddedPostgresError(
            ErrorCode.PLATFORM_UNSUPPORTED,
            "the embedded PostgreSQL runs on Linux and macOS. On Windows use WSL, or point "
            "DUNWELL_DATABASE_URL at a PostgreSQL of your own, 16 or newer.",
        )
    # Late, because the watchdog is a process of its own, lives in this package and needs no database driver.
    from api.embedded.launcher import EmbeddedPostgres  # noqa: PLC0415

    return EmbeddedPostgres
