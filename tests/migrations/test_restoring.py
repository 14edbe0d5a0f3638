"""What docs/operations.md says of backups: a dump restored on a server that is new to dunwell works as before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from api.databases import DatabaseServer, open_database
from api.embedded import EmbeddedPostgres
from api.embedded.account import carried_programs
from api.migrating import migrate
from domain.storage.sessions import Database, UnsafeRole
from domain.storage.tenants import create_tenant, list_tenants
from tests.conftest import ROOT
from tests.facts import merge_facts, row, stored
from tests.migrations.conftest import forget_dunwell


def _run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [carried_programs() / program, *arguments], capture_output=True, text=True, check=False
    )


def _follow(commands: str, folder: Path, home: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "DUNWELL_HOME": str(home)}
    done = subprocess.run(
        ["sh", "-ec", commands], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def dump(new_cluster_url: str, plain_url: str, tmp_path: Path) -> Path:
    """Of a database with a tenant and a debtor; its server has forgotten it since, as a new one never knew."""
    migrate(plain_url)
    tenant_id = await create_tenant(plain_url, key="acme", name="Acme", currency="EUR")
    database = Database(plain_url)
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")]})
    await database.close()
    file = tmp_path / "dunwell.dump"
    theirs = make_url(new_cluster_url).set(database="theirs").render_as_string(hide_password=False)
    by_owner = _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={plain_url}")
    assert "row-level security" in by_owner.stderr
    assert _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={theirs}").returncode == 0
    with psycopg.connect(new_cluster_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE theirs WITH (FORCE)")
        forget_dunwell(new_cluster_url)
        connection.execute("CREATE DATABASE theirs OWNER plain_owner")
    return file


async def test_a_dump_is_restored_where_the_role_is(dump: Path, plain_url: str) -> None:
    with psycopg.connect(plain_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE dunwell_app NOLOGIN")
        connection.execute("GRANT dunwell_app TO plain_owner")
    done = _run("pg_restore", "--exit-on-error", f"--dbname={plain_url}", dump)
    assert (done.returncode, done.stderr) == (0, "")
    migrate(plain_url)
    async with open_database(DatabaseServer(plain_url, plain_url, embedded=False)) as database:
        assert [one.key for one in await list_tenants(plain_url)] == ["acme"]
        tenant_id = await database.tenant_id("acme")
        assert tenant_id is not None
        assert [one["reference"] for one in (await stored(database, tenant_id))["debtor"]] == ["D1"]


async def test_without_the_role_it_is_said_what_to_do(dump: Path, plain_url: str) -> None:
    done = _run("pg_restore", f"--dbname={plain_url}", dump)
    assert 'role "dunwell_app" does not exist' in done.stderr
    what_to_do = r"CREATE ROLE dunwell_app NOLOGIN;\), and restore once more"
    with pytest.raises(UnsafeRole, match=what_to_do):
        migrate(plain_url)
    database = Database(plain_url)
    try:
        with pytest.raises(UnsafeRole, match=what_to_do):
            await database.verify_role()
    finally:
        await database.close()


async def test_embedded_data_move_to_another_cluster_by_what_the_docs_say(tmp_path: Path) -> None:
    """The commands as they stand there; between two clusters of the one version that is at hand."""
    home = tmp_path / "home"
    with EmbeddedPostgres.attach(home) as server:
        migrate(server.owner_url)
        tenant_id = await create_tenant(server.owner_url, key="acme", name="Acme", currency="EUR")
        database = Database(server.app_url)
        await merge_facts(database, tenant_id, {"debtors": [row("debtors")]})
        before = await stored(database, tenant_id)
        await database.close()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    page = (
        (ROOT / "docs/operations.md").read_text().partition("### To another major version of PostgreSQL")[2]
    )
    steps = re.findall(r"   ```sh\n(.*?)   ```", page, re.DOTALL)
    assert len(steps) == 3
    for step in steps:
        commands = re.sub("(?m)^   ", "", step)
        _follow(commands, tmp_path, home)
    with EmbeddedPostgres.attach(home) as server:
        found = DatabaseServer(server.owner_url, server.app_url, embedded=True)
        async with open_database(found) as database:
            assert await database.tenant_id("acme") == tenant_id
            assert await stored(database, tenant_id) == before
