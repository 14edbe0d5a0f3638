"""What a person is told when the port, the disk, the folder or the data are wrong."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from api.embedded import EmbeddedPostgres, EmbeddedPostgresError, ErrorCode
from api.embedded.errors import from_server_output
from api.embedded.layout import Layout
from api.embedded.locks import FileLock
from tests.api.embedded.processes import ENVIRONMENT, HOLDER, Holder, processes_of


def refusal(home: Path, **options: int) -> EmbeddedPostgresError:
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres.attach(home, **options).release()
    assert str(caught.value) == f"{caught.value.code}: {caught.value.message}"
    assert processes_of(home) == []  # a start that failed leaves nothing behind
    return caught.value


def test_a_fixed_port_is_used(used_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with EmbeddedPostgres.attach(used_home, port=port) as server:
        assert server.port == port
        with psycopg.connect(server.app_url) as connection:
            assert connection.info.port == port


def test_a_fixed_port_that_is_taken(used_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = refusal(used_home, port=port)
    assert error.code is ErrorCode.PORT_TAKEN
    assert str(port) in error.message
    assert "choose another port" in error.message


def test_a_port_lost_between_the_look_and_the_start() -> None:
    said = 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'
    home = Path("/home")
    assert from_server_output(said, home, 5000, home / "log").code is ErrorCode.PORT_TAKEN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
@pytest.mark.parametrize("mebibytes", [1, 20, 30])  # full in three places: our own files, WAL, tables
def test_a_disk_too_small_for_a_first_start(home: Path, mebibytes: int) -> None:
    said = on_a_small_disk(home, mebibytes, '"$1" "$2" "$0"; test ! -e "$0/postgres/data.new"')
    assert said[-1]["code"] == "DISK_FULL"
    assert str(home) in said[-1]["message"]
    assert "DUNWELL_HOME" in said[-1]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_disk_filled_by_others_and_freed_again(home: Path) -> None:
    fill = 'dd if=/dev/zero of="$0/filler" bs=4k 2> /dev/null'
    said = on_a_small_disk(
        home, 60, f'"$1" "$2" "$0"; {fill}; "$1" "$2" "$0"; rm "$0/filler"; "$1" "$2" "$0"'
    )
    outcomes = [line.get("code", "attached") for line in said if "last_words" not in line]
    assert outcomes in (["attached", "DISK_FULL", "attached"], ["attached"] * 3)  # the last page may do


def on_a_small_disk(home: Path, mebibytes: int, script: str) -> list[dict[str, str]]:
    """Run a script ($0 the home, $1 Python, $2 the holder) where the home is a disk of its own."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("this container may not mount a small disk")
    home.mkdir()
    mount = f'mount -t tmpfs -o size={mebibytes}m tmpfs "$0"'
    result = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", f"{mount} && {script}", home, sys.executable, HOLDER],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert processes_of(home) == []
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_home_that_is_a_file(home: Path) -> None:
    home.write_text("")
    error = refusal(home)
    assert error.code is ErrorCode.FOLDER_NOT_WRITABLE
    assert str(home) in error.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; another test becomes a normal user")
def test_a_home_without_write_access(home: Path) -> None:
    home.mkdir(mode=0o500)
    error = refusal(home)
    assert error.code is ErrorCode.FOLDER_NOT_WRITABLE
    assert str(home) in error.message


def test_too_open_rights_of_the_data_are_put_right(used_home: Path) -> None:
    (used_home / "postgres/data").chmod(0o777)  # PostgreSQL itself would refuse
    EmbeddedPostgres.attach(used_home).release()
    assert (used_home / "postgres/data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("version", "code"),
    [("17", ErrorCode.VERSION_MISMATCH), ("19", ErrorCode.HOME_TOO_NEW), ("9.6", "VERSION_MISMATCH")],
)
def test_data_of_another_version(used_home: Path, version: str, code: ErrorCode) -> None:
    (used_home / "postgres/data/PG_VERSION").write_text(f"{version}\n")
    error = refusal(used_home)
    assert error.code == code
    assert f"PostgreSQL {version}" in error.message


@pytest.mark.parametrize("spoiled", [None, "", "[]", '{"owner": "guess", "app": "guess"}'])
def test_lost_passwords(used_home: Path, spoiled: str | None) -> None:
    credentials = used_home / "postgres/credentials.json"
    credentials.unlink() if spoiled is None else credentials.write_text(spoiled)
    error = refusal(used_home)
    assert error.code is ErrorCode.CREDENTIALS_LOST
    assert "guess" not in error.message


def test_data_kept_elsewhere_and_gone(used_home: Path, tmp_path: Path) -> None:
    (used_home / "postgres/location").write_text(str(tmp_path / "gone"))
    assert refusal(used_home).code is ErrorCode.DATA_MISSING


def test_a_setting_of_the_owner_that_postgresql_refuses(used_home: Path) -> None:
    (used_home / "postgres/local.conf").write_text("shared_buffers = 'lots'\n")
    error = refusal(used_home)
    assert error.code is ErrorCode.START_FAILED
    assert "shared_buffers" in error.message  # PostgreSQL's own words name the setting


def test_a_gate_that_stays_shut(used_home: Path) -> None:
    with FileLock(Layout.of(used_home).gate_lock) as gate:
        assert gate.try_exclusive()
        error = refusal(used_home, start_seconds=0)
    assert error.code is ErrorCode.START_TIMEOUT
    assert "another dunwell command" in error.message


def test_a_server_that_does_not_get_ready_in_time_is_stopped_again(used_home: Path) -> None:
    assert refusal(used_home, start_seconds=0).code is ErrorCode.START_TIMEOUT
    EmbeddedPostgres.attach(used_home).release()


def test_a_server_started_by_hand_is_left_alone(used_home: Path, hold: Callable[..., Holder]) -> None:
    holder = hold(used_home)
    layout = Layout.of(used_home)
    # What a server without our lock looks like: the lock's file is another one.
    layout.server_lock.rename(layout.server_lock.with_suffix(".old"))
    with pytest.raises(EmbeddedPostgresError, match="that dunwell did not start"):
        EmbeddedPostgres.attach(used_home).release()
    layout.server_lock.with_suffix(".old").rename(layout.server_lock)
    with psycopg.connect(holder.app_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert holder.leave() == 0
    assert processes_of(used_home) == []
