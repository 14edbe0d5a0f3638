"""Start, share, stop and crash the real thing."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import asyncpg
import psutil
import psycopg
import pytest

from api.embedded import EmbeddedPostgres
from tests.api.embedded.processes import (
    ENVIRONMENT,
    HOLDER,
    Holder,
    eventually,
    first_words,
    postmaster_pid,
    processes_of,
    spawn,
)


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def keep_a_row(url: str) -> None:
    ask(url, "CREATE TABLE kept AS SELECT 42 AS n")


def watchdog_pid(home: Path) -> int:
    return int((home / "postgres/watchdog.lock").read_text())


def gone(home: Path) -> bool:
    return processes_of(home) == []


def test_first_start_makes_a_database_with_two_roles(home: Path) -> None:
    with EmbeddedPostgres.attach(home) as server:
        app, owner = server.app_url, server.owner_url
        assert ask(owner, "SELECT current_setting('is_superuser')") == "on"
        assert (
            ask(
                app,
                "SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole FROM pg_roles "
                "WHERE rolname = current_user",
            )
            is False
        )
        assert (
            ask(
                app,
                "SELECT pg_get_userbyid(datdba) <> current_user FROM pg_database "
                "WHERE datname = current_database()",
            )
            is True
        )
        ask(app, "CREATE TABLE dbos.job (id int)")
        ask(app, "CREATE TEMPORARY TABLE scratch (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(app, "CREATE TABLE public.intruder (id int)")
        assert str(ask(app, "SHOW server_version_num")).startswith("18")
        assert (
            ask(
                app,
                "SELECT datlocprovider::text || ' ' || datlocale || ' ' || pg_encoding_to_char(encoding) "
                "FROM pg_database WHERE datname = current_database()",
            )
            == "b C.UTF-8 UTF8"
        )
        assert ask(app, "SHOW timezone") == "UTC"
        assert ask(app, "SHOW fsync") == "on"

        async def from_asyncpg() -> object:
            connection = await asyncpg.connect(app)
            try:
                return await connection.fetchval("SELECT upper('é')")
            finally:
                await connection.close()

        assert asyncio.run(from_asyncpg()) == "É"
        private = [home, home / "postgres", home / "postgres/data"]
        assert [path.stat().st_mode & 0o777 for path in private] == [0o700] * 3
        assert (home / "postgres/credentials.json").stat().st_mode & 0o777 == 0o600
    assert gone(home)


def test_only_loopback_and_only_with_the_password(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as server:
        listening = {
            connection.laddr.ip
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.port
        }
        assert listening == {"127.0.0.1"}
        for user in ("dunwell_owner", "dunwell_app"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(f"postgresql://{user}:guess@127.0.0.1:{server.port}/dunwell")


def test_a_second_start_keeps_data_passwords_and_port(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as server:
        first = server.owner_url
        keep_a_row(first)
    assert gone(used_home)
    with EmbeddedPostgres.attach(used_home) as server:
        assert server.owner_url == first
        assert ask(server.app_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == 1


def test_settings_of_the_machines_owner_win(used_home: Path) -> None:
    (used_home / "postgres/local.conf").write_text("work_mem = '9MB'\n")
    with EmbeddedPostgres.attach(used_home) as server:
        assert ask(server.app_url, "SHOW work_mem") == "9MB"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_process(used_home: Path, hold, number: signal.Signals) -> None:
    holder: Holder = hold(used_home)
    assert len(processes_of(used_home)) > 3
    status, said = holder.end(number)
    assert gone(used_home)  # at once: leaving waits for the server and the watchdog
    assert (status, said) == (128 + number, '{"last_words": true}\n')


def test_ctrl_c_in_a_terminal_reaches_the_server_last(used_home: Path) -> None:
    # A terminal sends SIGINT to the whole foreground group, not to one process.
    holder = first_words(spawn([sys.executable, str(HOLDER), str(used_home)], start_new_session=True))
    os.killpg(holder.process.pid, signal.SIGINT)
    said, _ = holder.process.communicate(timeout=60)
    assert said == '{"last_words": true}\n'
    assert gone(used_home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_dies_without_a_word_leaves_none_either(
    used_home: Path, hold, number: signal.Signals
) -> None:
    holder: Holder = hold(used_home, "--no-unwind")
    keep_a_row(holder.owner_url)
    holder.end(number)
    assert eventually(lambda: gone(used_home))
    with EmbeddedPostgres.attach(used_home) as server:
        assert ask(server.owner_url, "SELECT n FROM kept") == 42


def test_kill_9_of_owner_and_watchdog_lets_the_next_start_take_over(used_home: Path, hold) -> None:
    holder: Holder = hold(used_home)
    postmaster = postmaster_pid(used_home)
    os.kill(watchdog_pid(used_home), signal.SIGKILL)
    holder.end(signal.SIGKILL)
    assert psutil.pid_exists(postmaster)
    with EmbeddedPostgres.attach(used_home) as server:
        assert postmaster_pid(used_home) == postmaster
        assert ask(server.app_url, "SELECT 1") == 1
    assert gone(used_home)


def test_kill_9_of_the_postmaster_is_recovered_for_old_and_new_holders(used_home: Path, hold) -> None:
    holder: Holder = hold(used_home)
    keep_a_row(holder.owner_url)
    os.kill(postmaster_pid(used_home), signal.SIGKILL)
    with EmbeddedPostgres.attach(used_home) as server:
        assert ask(server.owner_url, "SELECT n FROM kept") == 42
        assert server.owner_url == holder.owner_url  # the old holder finds it again
    assert ask(holder.app_url, "SELECT 1") == 1
    assert holder.leave() == 0
    assert gone(used_home)


def test_kill_9_of_everything_and_a_reused_process_id(used_home: Path, hold) -> None:
    holder: Holder = hold(used_home)
    keep_a_row(holder.owner_url)
    for process in (watchdog_pid(used_home), postmaster_pid(used_home)):
        os.kill(process, signal.SIGKILL)
    holder.end(signal.SIGKILL)
    assert eventually(lambda: gone(used_home))
    pid_file = used_home / "postgres/data/postmaster.pid"
    _, rest = pid_file.read_text().split("\n", 1)
    pid_file.write_text(f"{os.getpid()}\n{rest}")  # as after a restart of the machine
    with EmbeddedPostgres.attach(used_home) as server:
        assert ask(server.owner_url, "SELECT n FROM kept") == 42


def test_a_pid_file_cut_short_by_a_crash_is_no_obstacle(used_home: Path) -> None:
    EmbeddedPostgres.attach(used_home).release()
    (used_home / "postgres/data/postmaster.pid").write_text("")
    with EmbeddedPostgres.attach(used_home) as server:
        assert ask(server.app_url, "SELECT 1") == 1


def test_kill_9_during_the_very_first_start(home: Path) -> None:
    process = spawn([sys.executable, str(HOLDER), str(home)])
    assert eventually((home / "postgres/data.new/base").is_dir)
    process.kill()
    process.communicate()
    with EmbeddedPostgres.attach(home) as server:
        assert ask(server.app_url, "SELECT 1") == 1
    assert not (home / "postgres/data.new").exists()
    assert gone(home)


def test_ctrl_c_during_the_very_first_start(home: Path) -> None:
    process = spawn([sys.executable, str(HOLDER), str(home)], start_new_session=True)
    assert eventually((home / "postgres/data.new/base").is_dir)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert gone(home)
    assert not (home / "postgres/data.new").exists()


def test_a_start_killed_before_the_roles_were_made_is_completed_by_the_next(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as first:
        ask(first.owner_url, "DROP SCHEMA dbos")
        ask(first.owner_url.removesuffix("dunwell") + "postgres", "DROP DATABASE dunwell")
        with EmbeddedPostgres.attach(used_home) as second:
            assert ask(second.app_url, "SELECT to_regnamespace('dbos') IS NOT NULL") is True


def test_the_last_to_leave_stops_it(used_home: Path, hold) -> None:
    first: Holder = hold(used_home)
    second: Holder = hold(used_home)
    assert first.app_url == second.app_url
    assert first.leave() == 0
    assert ask(second.app_url, "SELECT 1") == 1
    with EmbeddedPostgres.attach(used_home) as third:
        assert second.leave() == 0
        assert ask(third.app_url, "SELECT 1") == 1
    assert gone(used_home)


def test_a_dead_holder_does_not_count(used_home: Path, hold) -> None:
    first: Holder = hold(used_home)
    second: Holder = hold(used_home)
    first.end(signal.SIGKILL)
    assert second.leave() == 0
    assert gone(used_home)


def test_holds_inside_one_process_are_counted_one_by_one(used_home: Path) -> None:
    first, second = EmbeddedPostgres.attach(used_home), EmbeddedPostgres.attach(used_home)
    first.release()
    first.release()
    assert ask(second.app_url, "SELECT 1") == 1
    second.release()
    assert gone(used_home)


def test_a_fork_does_not_give_up_its_parents_hold(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as server:
        child = os.fork()
        if child == 0:
            server.release()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with EmbeddedPostgres.attach(used_home):
            pass  # leaves as the last one if the hold was lost
        assert ask(server.app_url, "SELECT 1") == 1
    assert gone(used_home)


def test_four_at_once_make_one_cluster(home: Path) -> None:
    starting = [spawn([sys.executable, str(HOLDER), str(home)]) for _ in range(4)]
    holders = [first_words(process) for process in starting]
    assert len({holder.app_url for holder in holders}) == 1
    assert [ask(holder.app_url, "SELECT 1") for holder in holders] == [1] * 4
    postmasters = [p for p in processes_of(home) if p.name() == "postgres" and "-D" in p.cmdline()]
    assert len(postmasters) == 1
    for process in starting:  # and all leave at once
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in starting] == [0] * 4
    for process in starting:
        assert process.stdout is not None
        process.stdout.close()
    assert gone(home)


def test_two_homes_side_by_side(tmp_path: Path, used_home: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(used_home, other)
    with EmbeddedPostgres.attach(used_home) as one:
        with EmbeddedPostgres.attach(other) as two:
            assert one.port != two.port
            keep_a_row(one.owner_url)
            assert ask(two.owner_url, "SELECT to_regclass('kept')") is None
        assert gone(other)
        assert ask(one.app_url, "SELECT 1") == 1


def test_a_port_taken_since_the_last_start_is_given_up_for_a_free_one(used_home: Path) -> None:
    with EmbeddedPostgres.attach(used_home) as server:
        before = server.port
    with socket.create_server(("127.0.0.1", before)), EmbeddedPostgres.attach(used_home) as server:
        assert server.port != before
        assert ask(server.app_url, "SELECT 1") == 1


def test_environment_variables_of_other_postgres_tools_change_nothing(used_home: Path, hold) -> None:
    foreign = {
        "PGPORT": "1",
        "PGHOSTADDR": "192.0.2.1",
        "PGDATA": "/nowhere",
        "PGSSLMODE": "require",
        "LC_ALL": "xx",
    }
    holder: Holder = hold(used_home, env={**ENVIRONMENT, **foreign})
    assert ask(holder.app_url, "SELECT 1") == 1
    holder.leave()  # its own last query obeys PGSSLMODE and fails, so its status says nothing
    assert gone(used_home)
