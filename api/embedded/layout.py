"""Where the embedded PostgreSQL keeps its files inside a home folder.

HOME/postgres/                 0700, everything below is private
    data/                      the cluster
    credentials.json           0600, the generated passwords
    postgres.log               the server's log
    port                       the port used last
    location                   where `data` is, if it had to be moved
    local.conf                 optional, settings of the machine's owner, read last
    gate.lock                  held while somebody starts, joins, leaves or stops
    holders.lock               shared by every process that uses the server
    server.lock                held by PostgreSQL's own processes for as long as one lives
    watchdog.lock              held by the watchdog, contains its process id
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@dataclass(frozen=True)
class Layout:
    """Names of the files of one home; `cluster_folder` holds `data` and is usually `root` itself."""

    home: Path
    cluster_folder: Path

    @classmethod
    def of(cls, home: Path) -> Layout:
        """The layout of an absolute `home`; follows `location` when the data had to live elsewhere."""
        root = home / "postgres"
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return cls(home, Path((root / "location").read_text(encoding="utf-8").strip()))
        return cls(home, root)

    @property
    def root(self) -> Path:
        """The folder of the launcher's own files."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.cluster_folder / "data"

    @property
    def staging(self) -> Path:
        """Where a new cluster is made before it is renamed to `data` in one step."""
        return self.cluster_folder / "data.new"

    @property
    def credentials(self) -> Path:
        """The generated passwords."""
        return self.root / "credentials.json"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "postgres.log"

    @property
    def port_memory(self) -> Path:
        """The port used last, taken again when it is free, so that clients can reconnect."""
        return self.root / "port"

    @property
    def local_conf(self) -> Path:
        """Settings of the machine's owner, in postgresql.conf's form; optional."""
        return self.root / "local.conf"

    @property
    def location(self) -> Path:
        """Says where `cluster_folder` is when it is not `root`."""
        return self.root / "location"

    @property
    def gate_lock(self) -> Path:
        """Exclusive while somebody starts, joins, leaves or stops."""
        return self.root / "gate.lock"

    @property
    def holders_lock(self) -> Path:
        """Shared by every process that uses the server."""
        return self.root / "holders.lock"

    @property
    def server_lock(self) -> Path:
        """Exclusive for as long as one process of the server lives (its descriptor is inherited)."""
        return self.root / "server.lock"

    @property
    def watchdog_lock(self) -> Path:
        """Exclusive for as long as the watchdog lives."""
        return self.root / "watchdog.lock"


def open_private(path: Path, flags: int) -> int:
    """Open or create a file only its owner can read; returns a descriptor that `exec` closes.

    When root works in somebody else's folder the new file is given to that folder's owner, who would
    otherwise be locked out of his own home after one `sudo`.

    Raises:
        OSError: as `os.open`.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        if folder.st_uid != os.fstat(descriptor).st_uid:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Write `text` so that a crash leaves either the old file or the whole new one.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    partial = path.with_name(path.name + ".partial")
    with os.fdopen(open_private(partial, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new files inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
