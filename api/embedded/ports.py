"""The loopback port of a server."""

from __future__ import annotations

import contextlib
import socket

from api.embedded.errors import port_forbidden, port_taken
from api.embedded.layout import Layout

HOST = "127.0.0.1"


def choose_port(layout: Layout, fixed: int | None, *, remembered: bool = True) -> int:
    """The fixed port when one is asked for, else the one used last, else any free one.

    Raises:
        EmbeddedPostgresError: PORT_TAKEN, PORT_FORBIDDEN, for a fixed port.
    """
    if fixed is not None:
        try:
            return _bound_port(fixed)
        except PermissionError:
            raise port_forbidden(fixed) from None
        except OSError:
            raise port_taken(fixed) from None
    if remembered:
        with contextlib.suppress(OSError, ValueError, OverflowError):
            return _bound_port(int(layout.port_memory.read_text(encoding="ascii")))
    return _bound_port(0)


def _bound_port(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])
