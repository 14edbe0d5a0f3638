"""Root, a normal user, somebody else's home, and a machine without user namespaces."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from api.embedded import EmbeddedPostgres
from api.embedded.account import FALLBACK_USERS, SYSTEM_FOLDER, carried_programs
from tests.api.embedded.processes import CHECKOUT, HOLDER, Holder, eventually, processes_of

NOBODY = 65_534
NAMELESS = 60_932
IS_ROOT = os.geteuid() == 0
OWN_NAMESPACE = Path("/proc/self/ns/user").readlink() if IS_ROOT else None

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can act as several users")


def value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def server_uids(home: Path) -> set[int]:
    found = set()
    for process in processes_of(home):
        with suppress(psutil.NoSuchProcess):  # servers of single sessions come and go
            if process.name() == "postgres":
                found.add(process.uids().effective)
    return found


def as_user(uid: int, *command: str | Path) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *map(str, command)]


@pytest.fixture(scope="module")
def open_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the launcher needs, where every user can read it: checkouts of root often are not."""
    folder = Path("/var/tmp") / f"dunwell-test-{os.getpid()}"
    site = Path(psycopg.__file__).parents[1]
    wheel = carried_programs().parents[1]
    shutil.copytree(CHECKOUT / "api/embedded", folder / "api/embedded")
    shutil.copytree(CHECKOUT / "tests/api/embedded", folder / "tests/api/embedded")
    (folder / "api/__init__.py").touch()
    for package in ("psycopg", "psycopg_binary", "psycopg_binary.libs", f"{wheel.name}.libs"):
        if (site / package).exists():
            shutil.copytree(site / package, folder / package)
    shutil.copy(site / "typing_extensions.py", folder)
    shutil.copytree(wheel / "pginstall18", folder / wheel.name / "pginstall18")
    (folder / wheel.name / "__init__.py").touch()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def open_python() -> str:
    """A Python of this version that every user can start."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        runs = subprocess.run(as_user(NOBODY, "/bin/sh", "-c", f"'{python}' -c 'import ssl'"), check=False)
        if runs.returncode == 0:
            return python
    pytest.skip(f"no {name} on this machine that another user can start")


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A folder to make homes in that every user can reach, as pytest's own is not."""
    folder = Path("/var/tmp") / f"dunwell-homes-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    for process in processes_of(folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder)


@pytest.fixture
def hold_as(
    hold: Callable[..., Holder], open_checkout: Path, open_python: str
) -> Callable[[int, Path], Holder]:
    """Hold a home as another user: `hold_as(uid, home)`."""
    script = open_checkout / HOLDER.relative_to(CHECKOUT)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(open_checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def start(uid: int, home: Path) -> Holder:
        # Through a shell, because setpriv itself still has root's rights while it looks for the program.
        python = as_user(uid, "/bin/sh", "-c", 'exec "$0" "$@"', open_python, script)
        return hold(home, python=python, env=environment, cwd="/")

    return start


@needs_root
def test_root_runs_it_inside_a_private_home_without_another_user(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as server:
        assert value(server.app_url, "SELECT 1") == 1
        if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode == 0:
            assert (used_home / "postgres/data").stat().st_uid == 0
            assert server_uids(used_home) == {0}


@pytest.mark.skipif(IS_ROOT, reason="every other test already runs as a normal user")
def test_this_normal_user_runs_it(home: Path) -> None:
    with EmbeddedPostgres.attach(home):
        assert server_uids(home) == {os.geteuid()}


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_normal_user_runs_it(open_home: Path, hold_as, number: signal.Signals) -> None:
    home = open_home / "home"
    open_home.chmod(0o700)
    os.chown(open_home, NOBODY, NOBODY)
    holder: Holder = hold_as(NOBODY, home)
    assert holder.facts["uid"] == NOBODY
    assert value(holder.app_url, "SELECT 1") == 1
    assert server_uids(home) == {NOBODY}
    holder.end(number)
    # root joins the user's home: the server still is the user's, and the user can still use it afterwards
    with EmbeddedPostgres.attach(home) as server:
        assert value(server.app_url, "SELECT 1") == 1
        assert server_uids(home) == {NOBODY}
    strangers = [path for path in home.rglob("*") if path.stat().st_uid != NOBODY]
    assert strangers == []
    assert value(hold_as(NOBODY, home).app_url, "SELECT 1") == 1


@needs_root
def test_a_user_id_without_a_name_needs_a_namespace_or_says_what_to_do(
    open_home: Path, hold_as: Callable[[int, Path], Holder]
) -> None:
    open_home.chmod(0o700)
    os.chown(open_home, NAMELESS, NAMELESS)
    facts = hold_as(NAMELESS, open_home / "home").facts
    if facts.get("code") == "USER_UNKNOWN":
        assert str(NAMELESS) in str(facts["message"])
    else:
        assert value(str(facts["app_url"]), "SELECT 1") == 1
        assert server_uids(open_home) == {NAMELESS}


@needs_root
def test_another_users_home_is_refused(open_home: Path, stopped_template: Path, hold_as) -> None:
    home = open_home / "home"
    shutil.copytree(stopped_template, home)
    facts = hold_as(NOBODY, home).facts
    assert facts["code"] == "FOLDER_NOT_WRITABLE"
    assert str(home) in str(facts["message"])


@pytest.fixture
def without_namespaces(open_home: Path) -> Iterator[list[str]]:
    """The start of a command line that runs a program as root where no user namespace may be made.

    A user namespace of its own is the one place where that can be forbidden without touching the machine.
    """
    keeper = subprocess.Popen(["unshare", "--user", "sleep", "600"], stderr=subprocess.PIPE)
    space = Path(f"/proc/{keeper.pid}/ns/user")
    try:
        assert eventually(lambda: keeper.poll() is not None or space.readlink() != OWN_NAMESPACE)
        if keeper.poll() is not None:
            pytest.skip("user namespaces are forbidden here, so every test of this folder already shows this")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{keeper.pid}/{name}").write_text("0 0 65536")
        yield [
            "nsenter",
            "--user",
            f"--target={keeper.pid}",
            "/bin/sh",
            "-c",
            'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"',
        ]
    finally:
        keeper.kill()
        keeper.communicate()


def fallback_user() -> pwd.struct_passwd:
    return next(user for name in FALLBACK_USERS for user in pwd.getpwall() if user.pw_name == name)


@needs_root
def test_without_namespaces_an_unprivileged_user_runs_it(
    open_home: Path, hold, without_namespaces: list[str]
) -> None:
    fallback = fallback_user()
    home = open_home / "home"
    home.mkdir(mode=0o755)  # as a container's volume is
    holder: Holder = hold(home, python=[*without_namespaces, sys.executable, HOLDER], stderr=subprocess.PIPE)
    assert value(holder.app_url, "SELECT 1") == 1
    assert server_uids(home) == {fallback.pw_uid}
    assert (home / "postgres/data").stat().st_uid == fallback.pw_uid
    _, said = holder.process.communicate(timeout=60)
    assert holder.process.returncode == 0
    assert f"runs as the user {fallback.pw_name}" in said
    assert processes_of(home) == []
    with EmbeddedPostgres.attach(home) as server:  # and where they are allowed again, it goes on like that
        assert value(server.app_url, "SELECT 1") == 1


@needs_root
def test_without_namespaces_a_home_out_of_reach_keeps_its_data_elsewhere(
    open_home: Path, stopped_template: Path, hold, without_namespaces: list[str]
) -> None:
    fallback = fallback_user()
    open_home.chmod(0o700)
    home = open_home / "home"
    shutil.copytree(stopped_template, home)
    # made while namespaces were allowed
    with EmbeddedPostgres.attach(home) as server, psycopg.connect(server.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    try:
        holder: Holder = hold(
            home, python=[*without_namespaces, sys.executable, HOLDER], stderr=subprocess.PIPE
        )
        place = Path((home / "postgres/location").read_text())
        assert place.parent == SYSTEM_FOLDER
        assert value(holder.owner_url, "SELECT n FROM kept") == 42
        assert (place / "data").stat().st_uid == fallback.pw_uid
        _, said = holder.process.communicate(timeout=60)
        assert str(place) in said
        assert processes_of(place) == []
        with EmbeddedPostgres.attach(home) as server:
            assert value(server.owner_url, "SELECT n FROM kept") == 42
    finally:
        for place in map(Path, (home / "postgres/location").read_text().split()):
            shutil.rmtree(place)
            with suppress(OSError):
                place.parent.rmdir()
