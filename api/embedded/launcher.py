"""Start or join the PostgreSQL of a home, and stop it when the last one leaves."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from api.embedded import cluster
from api.embedded.account import Account, choose_account
from api.embedded.errors import EmbeddedPostgresError, ErrorCode, disk_full, from_os_error, from_server_output
from api.embedded.layout import PRIVATE_FOLDER, Layout, write_private
from api.embedded.locks import FileLock, Patience, gate
from api.embedded.pidfile import read_postmaster
from api.embedded.ports import HOST, choose_port
from api.embedded.roles import (
    APP,
    DATABASE,
    Credentials,
    is_prepared,
    lost_credentials,
    new_credentials,
    prepare_database,
    read_credentials,
)
from api.embedded.watchdog import dismiss_watchdog, ensure_watchdog

logger = logging.getLogger("dunwell.embedded")

START_SECONDS = 600.0
"""How long a start may take: a crashed cluster with much to replay needs minutes."""
_PORT_TRIES = 5


class EmbeddedPostgres:
    """One process's hold on the PostgreSQL of a home folder.

    Any number of processes may hold the same home. The first starts the server, the last to leave stops it; a
    holder that died, however, counts as having left.
    """

    def __init__(self, layout: Layout, hold: FileLock, credentials: Credentials, port: int) -> None:
        """Use `attach`."""
        self._layout = layout
        self._hold = hold
        self._process = os.getpid()
        self._credentials = credentials
        self.port = port

    @classmethod
    def attach(
        cls, home: Path, *, port: int | None = None, start_seconds: float = START_SECONDS
    ) -> EmbeddedPostgres:
        """Join the server of `home`, starting it (and making its database) if nobody has.

        Args:
            home: the folder that holds everything; made when missing.
            port: a loopback port to start the server on; None takes a free one. A server that already runs
                keeps its own.
            start_seconds: how long to wait for a server that starts, stops or recovers.

        Raises:
            EmbeddedPostgresError: with a code of `ErrorCode`.
        """
        home = home.absolute()
        try:
            return cls._attach(home.resolve(), port, Patience(start_seconds, home))
        except psycopg.errors.DiskFull:
            raise disk_full(home) from None
        except psycopg.Error as error:
            raise EmbeddedPostgresError(
                ErrorCode.START_FAILED,
                f"the database in {home} started but cannot be used ({type(error).__name__}). "
                "See postgres/postgres.log in that folder.",
            ) from error
        except OSError as error:
            raise from_os_error(error, home) from error

    @classmethod
    def _attach(cls, home: Path, port: int | None, patience: Patience) -> EmbeddedPostgres:
        home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        layout = Layout.of(home)
        layout.root.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        with gate(layout.gate_lock, patience):
            hold = FileLock(layout.holders_lock)
            try:
                while not hold.try_shared():
                    patience.pause("the lock of the database's users")
                ensure_watchdog(layout)
                layout, credentials, port = _join_or_start(Layout.of(home), port, patience)
            except BaseException:
                _leave(Layout.of(home), hold)
                raise
        return cls(layout, hold, credentials, port)

    @property
    def owner_url(self) -> str:
        """URL of the superuser that owns the database: for migrations only."""
        return self._url(cluster.OWNER, self._credentials.owner)

    @property
    def app_url(self) -> str:
        """URL of the app's role, which row-level security binds."""
        return self._url(APP, self._credentials.app)

    def release(self) -> None:
        """Leave; the last one to leave stops the server and waits until it is gone. May be called twice.

        Raises:
            EmbeddedPostgresError: START_TIMEOUT, when another process keeps the gate for minutes; the hold is
                given up all the same, and the watchdog stops the server.
        """
        if self._hold.descriptor < 0:
            return
        if os.getpid() != self._process:  # a fork shares its parent's hold and must not give it up
            self._hold.close()
            return
        try:
            with gate(self._layout.gate_lock, Patience(START_SECONDS, self._layout.home)):
                _leave(self._layout, self._hold)
        finally:
            self._hold.close()

    def _url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@{HOST}:{self.port}/{DATABASE}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _leave(layout: Layout, hold: FileLock) -> None:
    """Give up a hold and stop the server if it was the last one; the gate must be held."""
    hold.unlock()
    last = hold.try_exclusive()
    hold.close()
    if last:
        cluster.stop(layout)
        dismiss_watchdog(layout)


def _join_or_start(layout: Layout, port: int | None, patience: Patience) -> tuple[Layout, Credentials, int]:
    with FileLock(layout.server_lock) as server_lock:
        while not server_lock.try_exclusive():
            postmaster = read_postmaster(layout.data)
            if postmaster is not None and postmaster.ready:
                credentials = read_credentials(layout)
                if is_prepared(postmaster.port, credentials):
                    return layout, credentials, postmaster.port
                # Running yet not usable: whoever started it was killed half-way, or its postmaster was.
                with contextlib.suppress(psycopg.OperationalError):
                    _prepare(layout, postmaster.port, credentials)
                    return layout, credentials, postmaster.port
            patience.pause("the running PostgreSQL to answer or to end")
        return _start(layout, server_lock, port, patience)


def _start(
    layout: Layout, server_lock: FileLock, fixed: int | None, patience: Patience
) -> tuple[Layout, Credentials, int]:
    cluster.check_kept(layout)
    account, layout = choose_account(layout)
    if layout.data.exists():
        cluster.check_version(layout)
        credentials = read_credentials(layout)
    else:
        credentials = new_credentials(layout)
        cluster.initialise(layout, account, server_lock, credentials.owner)
    if layout.cluster_folder != layout.root:
        write_private(layout.location, str(layout.cluster_folder))
    log_start = cluster.begin_log(layout)
    port = _start_on_free_port(layout, account, server_lock, fixed, patience)
    write_private(layout.port_memory, str(port))
    try:
        _prepare(layout, port, credentials)
    except psycopg.OperationalError as error:  # the server broke down at once; its log knows why
        written = cluster.log_since(layout.log, log_start)
        raise from_server_output(written, layout.cluster_folder, None, layout.log) from error
    return layout, credentials, port


def _start_on_free_port(
    layout: Layout, account: Account, server_lock: FileLock, fixed: int | None, patience: Patience
) -> int:
    """A free port can be lost to another program before PostgreSQL opens it: then take another."""
    for left in reversed(range(_PORT_TRIES)):
        port = choose_port(layout, fixed, remembered=left == _PORT_TRIES - 1)
        try:
            return cluster.start(layout, account, server_lock, port, patience).port
        except EmbeddedPostgresError as error:
            if error.code is not ErrorCode.PORT_TAKEN or fixed is not None or left == 0:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _prepare(layout: Layout, port: int, credentials: Credentials) -> None:
    try:
        prepare_database(port, credentials)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise lost_credentials(layout) from None
        raise
