"""How a server logs: lines for people on a terminal, elsewhere one JSON object a line for whatever collects them."""

import logging
import sys
import traceback
import uuid
from pathlib import Path
from typing import Any

import orjson
import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from domain.storage.outages import Outage

log = structlog.get_logger("dunwell")

#: Of this process. Most are answered with status 200, as GraphQL's errors are, so no count of statuses tells them.
FAILURES = Counter(
    "dunwell_internal_errors_total",
    "Failures on our side, each logged as internal_error or database_outage.",
    registry=None,
)


def configure_logs() -> None:
    """From now on, for what is logged in Python's standard way too; on a terminal it stays structlog's own way."""
    if sys.stdout.isatty():
        return
    logging.getLogger().addHandler(_Alike(logging.WARNING))
    logging.getLogger("dbos").addHandler(
        logging.NullHandler()
    )  # else DBOS adds one that writes in a way of its own
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    )


class _Alike(logging.Handler):
    """Writes the first line of what libraries and our own modules log. What follows are traces and a database's
    details: they quote values, which may be personal.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log.log(record.levelno, record.getMessage().partition("\n")[0], logger=record.name)
        except Exception:
            self.handleError(record)


def log_failure(cause: BaseException, *, where: Any = None) -> str:
    """Log an unexpected failure and answer its id.

    Its message is left out: a database's or a parser's message quotes values, which may be personal.
    """
    FAILURES.inc()
    error_id = uuid.uuid4().hex
    frames = traceback.extract_tb(cause.__traceback__)[-12:]
    log.error(
        "internal_error",
        error_id=error_id,
        kind=f"{type(cause).__module__}.{type(cause).__qualname__}",
        sqlstate=getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None,
        field=[str(step) for step in where or ()],
        frames=[f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    )
    return error_id


def log_outage(outage: Outage, cause: BaseException) -> None:
    """Log that the database cannot serve, in one line: while it can't, every request says so."""
    FAILURES.inc()
    log.error(
        "database_outage", code=outage.code, kind=f"{type(cause).__module__}.{type(cause).__qualname__}"
    )


def _json(entry: object, **_: Any) -> str:
    return orjson.dumps(entry, default=repr).decode()
