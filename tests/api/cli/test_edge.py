"""What becomes of an error that a verb ends with."""

import subprocess
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from api.cli.edge import CommandError, report
from api.databases import DatabaseFull, DatabaseServer, DatabaseUnreachable, open_database
from tests.api.cli.command import environment


def test_an_error_with_a_code_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    report(CommandError("NOTHING_TO_SET", "Name what to set [now]."))
    assert capsys.readouterr().err == "NOTHING_TO_SET: Name what to set [now].\n"


def test_a_fault_of_ours_is_none_though_its_library_numbers_it(capsys: pytest.CaptureFixture[str]) -> None:
    fault = ProgrammingError("SELECT", {}, Exception("permission denied"))
    assert fault.code == "f405"
    with pytest.raises(ProgrammingError):
        report(fault)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("by_the_driver", [False, True])
async def test_a_database_that_goes_away_is_one_sentence(owner_url: str, by_the_driver: bool) -> None:
    server = DatabaseServer(owner_url, owner_url, embedded=False)
    with pytest.raises(DatabaseUnreachable, match=r"PostgreSQL at 127\.0\.0\.1:\d+/test_\w+ cannot be used"):
        async with open_database(server) as database, database.engine.begin() as connection:
            end = "SELECT pg_terminate_backend(pg_backend_pid())"
            if by_the_driver:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                await raw.execute(end)
            else:
                await connection.execute(text(end))


@pytest.mark.parametrize(
    ("embedded", "way_out"),
    [(True, "if it has ended, the next command starts it again."), (False, "Check DUNWELL_DATABASE_URL")],
)
async def test_what_to_do_about_a_database_that_is_gone_depends_on_whose_it_is(
    owner_url: str, embedded: bool, way_out: str
) -> None:
    server = DatabaseServer(owner_url, owner_url, embedded)
    with pytest.raises(DatabaseUnreachable, match=way_out):
        async with open_database(server) as database, database.engine.begin() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.parametrize("by_the_driver", [False, True])
async def test_a_full_disk_of_the_database_is_one_sentence(owner_url: str, by_the_driver: bool) -> None:
    server = DatabaseServer(owner_url, owner_url, embedded=False)
    full = "DO $$ BEGIN RAISE 'could not extend file \"base/1\"' USING ERRCODE = 'disk_full'; END $$"
    with pytest.raises(DatabaseFull, match="Make room there"):
        async with open_database(server) as database, database.engine.begin() as connection:
            if by_the_driver:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                await raw.execute(full)
            else:
                await connection.execute(text(full))


def test_an_interruption_while_modules_load_is_said_in_a_word() -> None:
    program = """
import os, signal, sys

class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == "rich.console":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Loading())
from api.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("last", ["await asyncio.sleep(20)", "return"], ids=["amid", "at the end"])
def test_being_told_to_end_is_heeded_where_no_exception_gets_out(last: str) -> None:
    program = f"""
import asyncio, os, signal
from api.cli.edge import wait_for
from api.embedded.signals import unwind_on_termination

class Gone:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

async def work():
    try:
        Gone()
        {last}
    finally:
        print("undone", flush=True)

unwind_on_termination()
wait_for(work())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "undone\n", "")
