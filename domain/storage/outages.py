"""When PostgreSQL cannot serve, however right the request: it is not there, has no room, or takes no writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneCameFree


class NoConnection(ConnectionError):
    """No connection to PostgreSQL could be opened; what it or the system said is the cause."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A state of the database in which something cannot be done. message: for who asked; names no host and no value."""

    code: str
    message: str


UNREACHABLE = Outage(
    "DATABASE_UNREACHABLE", "The database cannot be reached just now. Try again in a few seconds."
)
FULL = Outage(
    "DISK_FULL", "The database's disk is full, so this was not done. Try again once room has been made there."
)
READ_ONLY = Outage(
    "DATABASE_READ_ONLY", "The database takes no writes just now, so this was not done. Try again later."
)

OUTAGES = frozenset({UNREACHABLE.code, FULL.code, READ_ONLY.code})
#: After so many it is worth another try: an embedded PostgreSQL that crashed is started again within half a minute.
RETRY_SECONDS = 5

_BY_SQLSTATE: Mapping[str, Outage] = {
    "53100": FULL,
    "25006": READ_ONLY,
    "53300": UNREACHABLE,  # too many connections
    "57P01": UNREACHABLE,  # it was shut down,
    "57P02": UNREACHABLE,  # it crashed,
    "57P03": UNREACHABLE,  # it is starting up or shutting down
}
_CONNECTION_EXCEPTIONS = "08"

#: What asyncpg raises where a connection goes wrong; the last where the server has ended it, but it is not closed yet.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def connect(*arguments: Any, **options: Any) -> Any:
    """asyncpg's connection.

    Raises:
        NoConnection: there is none to be had: nobody listens, or whoever does lets us in no more.
    """
    try:
        return await asyncpg.connect(*arguments, **options)
    except DRIVER_ERRORS as error:
        raise NoConnection(str(error)) from error


def outage_of(error: BaseException) -> Outage | None:
    """The outage that an error tells of; None when it tells of none, and so is a fault of ours or of the request."""
    told = _told_by(error)
    if told is None and isinstance(error, InterfaceError):
        # Undoing what a lost connection cut short fails in the driver's own words, which do not say why.
        return _first_told(error.__context__)
    return told


def _first_told(error: BaseException | None) -> Outage | None:
    """What an error, or one that was being handled when it came, tells of."""
    while error is not None:
        told = _told_by(error)
        if told is not None:
            return told
        error = error.__context__
    return None


def _told_by(error: BaseException) -> Outage | None:
    # Lost, not to be had, ended by the server a moment ago, or all of the pool's in use
    if isinstance(error, ConnectionError | asyncpg.InternalClientError | NoneCameFree):
        return UNREACHABLE
    cause = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(cause, "sqlstate", None)
    if isinstance(sqlstate, str):
        return UNREACHABLE if sqlstate.startswith(_CONNECTION_EXCEPTIONS) else _BY_SQLSTATE.get(sqlstate)
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error, OperationalError)
    ):
        return UNREACHABLE  # a driver's own word, PostgreSQL itself says why in a sqlstate
    return None
