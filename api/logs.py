"""How a server logs: lines for people on a terminal, elsewhere one JSON object a line for whatever collects them."""

import sys
from typing import Any

import orjson
import structlog


def configure_logs() -> None:
    """From now on; on a terminal it stays structlog's own way."""
    if sys.stdout.isatty():
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    )


def _json(entry: object, **_: Any) -> str:
    return orjson.dumps(entry, default=repr).decode()
