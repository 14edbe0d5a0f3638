"""One cluster on disk: make it, start it, ask how it is, stop it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from api.embedded.account import MAJOR_VERSION, Account
from api.embedded.errors import (
    EmbeddedPostgresError,
    ErrorCode,
    from_server_output,
    home_too_new,
    version_mismatch,
)
from api.embedded.layout import PRIVATE_FOLDER, Layout, open_private, sync_folder, write_private
from api.embedded.locks import FileLock, Patience
from api.embedded.pidfile import Postmaster, disown_stale_pid, is_postgres, read_postmaster
from api.embedded.tuning import HBA, machine_memory, render, server_settings, small_shared_memory

logger = logging.getLogger("dunwell.embedded")

OWNER = "dunwell_owner"
_LARGEST_LOG = 10 * 2**20
_FAST_STOP_SECONDS = 120.0
_QUICK_STOP_SECONDS = 30.0


def initialise(layout: Layout, account: Account, server_lock: FileLock, password: str) -> None:
    """Make a new cluster with the superuser `dunwell_owner`; it appears under its name whole or not at all.

    Raises:
        EmbeddedPostgresError: DISK_FULL, FOLDER_NOT_WRITABLE, START_FAILED.
        OSError: files cannot be written.
    """
    logger.info("making a new database in %s (first start)", layout.data)
    shutil.rmtree(layout.staging, ignore_errors=True)
    secret = layout.cluster_folder / "initdb.secret"
    try:
        layout.staging.mkdir(mode=PRIVATE_FOLDER)
        account.adopt(layout.staging)
        write_private(secret, password)
        account.adopt(secret)
        _run_initdb(layout, account, server_lock, secret)
        layout.staging.rename(layout.data)
        sync_folder(layout.cluster_folder)
    finally:
        secret.unlink(missing_ok=True)
        shutil.rmtree(layout.staging, ignore_errors=True)


def _run_initdb(layout: Layout, account: Account, server_lock: FileLock, secret: Path) -> None:
    arguments = (
        f"--pgdata={layout.staging}",
        f"--username={OWNER}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    )
    # A session of its own: Ctrl-C in the terminal must not tear it apart behind our back.
    child = subprocess.Popen(  # noqa: S603  our own command line
        account.argv("initdb", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        start_new_session=True,
        pass_fds=(server_lock.descriptor,),
    )
    try:
        output = child.communicate()[0].decode(errors="replace")
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    if child.returncode != 0:
        raise from_server_output(output, layout.cluster_folder, None, layout.log)


def start(
    layout: Layout, account: Account, server_lock: FileLock, port: int, patience: Patience
) -> Postmaster:
    """Start the cluster and wait until it takes connections; a crashed one first recovers.

    `server_lock` must be held alone; PostgreSQL inherits it.

    Raises:
        EmbeddedPostgresError: PORT_TAKEN, DISK_FULL, FOLDER_NOT_WRITABLE, OUT_OF_MEMORY, START_TIMEOUT,
            START_FAILED.
        OSError: files cannot be written.
    """
    _configure(layout, account, port)
    disown_stale_pid(layout)
    log_start = begin_log(layout)
    child = _spawn(layout, account, server_lock)
    # Reaps the server whenever it ends; otherwise a long-lived process that started it keeps a zombie.
    threading.Thread(target=child.wait, name="embedded-postgres-reaper", daemon=True).start()
    while True:
        postmaster = read_postmaster(layout.data)
        # unshare and setpriv replace themselves by the server, so its id is the child's; a file with another id
        # is the last crash's and says "ready" too.
        if postmaster is not None and postmaster.pid == child.pid and postmaster.ready:
            return postmaster
        if child.poll() is not None:
            output = log_since(layout.log, log_start)
            raise from_server_output(output, layout.cluster_folder, port, layout.log)
        patience.pause(
            "PostgreSQL to start (after an unclean stop it recovers first, for minutes if need be)"
        )


def _configure(layout: Layout, account: Account, port: int) -> None:
    settings = server_settings(
        port=port, memory=machine_memory(), cpus=os.cpu_count() or 1, small_shm=small_shared_memory()
    )
    layout.data.chmod(PRIVATE_FOLDER)
    for name, text in (("postgresql.conf", render(settings, layout.local_conf)), ("pg_hba.conf", HBA)):
        write_private(layout.data / name, text)
        account.adopt(layout.data / name)


def begin_log(layout: Layout) -> int:
    """Put a log that grew large aside; returns where in the file new lines will begin. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        size = layout.log.stat().st_size
        if size <= _LARGEST_LOG:
            return size
        layout.log.replace(layout.log.with_suffix(".log.1"))
    return 0


def _spawn(layout: Layout, account: Account, server_lock: FileLock) -> subprocess.Popen[bytes]:
    log = open_private(layout.log, os.O_WRONLY | os.O_APPEND)
    try:
        # A session of its own: Ctrl-C reaches dunwell alone, which stops PostgreSQL after its own work.
        return subprocess.Popen(  # noqa: S603  our own command line
            account.argv("postgres", "-D", str(layout.data)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            pass_fds=(server_lock.descriptor,),
        )
    finally:
        os.close(log)


def stop(layout: Layout, fast_seconds: float = _FAST_STOP_SECONDS) -> None:
    """Stop the server and wait until its last process is gone; nothing to do when none runs.

    Asks for a fast shutdown (open transactions are rolled back, a checkpoint is written); one that is not
    done after `fast_seconds` is cut short, and the next start recovers. A server that outlives even that (its
    disk hangs) is left behind and logged. Raises OSError.
    """
    signalled: set[tuple[int, signal.Signals]] = set()
    deadline = time.monotonic() + fast_seconds
    with FileLock(layout.server_lock) as lock:
        while not lock.try_exclusive():
            late = time.monotonic() - deadline
            if late > _QUICK_STOP_SECONDS:
                logger.error("the database in %s does not stop; its processes are left behind", layout.data)
                return
            kind = signal.SIGINT if late < 0 else signal.SIGQUIT
            postmaster = read_postmaster(layout.data)
            if postmaster and (postmaster.pid, kind) not in signalled and is_postgres(postmaster.pid):
                signalled.add((postmaster.pid, kind))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(postmaster.pid, kind)
            time.sleep(0.01)


def check_kept(layout: Layout) -> None:
    """Refuse to begin an empty database where data were kept in another place that is gone.

    Raises:
        EmbeddedPostgresError: DATA_MISSING.
    """
    if layout.location.exists() and not layout.data.exists():
        raise EmbeddedPostgresError(
            ErrorCode.DATA_MISSING,
            f"the data of {layout.home} were kept in {layout.data}, which is gone. Bring that folder back, "
            f"or move {layout.root} away to begin with an empty database.",
        )


def check_version(layout: Layout) -> None:
    """Refuse data of another major version.

    Raises:
        EmbeddedPostgresError: VERSION_MISMATCH, HOME_TOO_NEW.
        OSError: the version cannot be read.
    """
    found = (layout.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if found == str(MAJOR_VERSION):
        return
    newer = found.split(".")[0].isdigit() and int(found.split(".")[0]) > MAJOR_VERSION
    raise home_too_new(layout.home, found) if newer else version_mismatch(layout.home, found)


def _environment() -> dict[str, str]:
    """The current environment without the variables that PostgreSQL's programs would obey."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def log_since(log: Path, start: int) -> str:
    """What the server wrote to its log from byte `start` on. Raises OSError."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")
