"""What docs/operations.md says of backups: a dump restored on a server that is new to dunwell works as before."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from api.databases import DatabaseServer, open_database
from api.embedded.account import carried_programs
from api.migrating import migrate
from domain.storage.sessions import Database, UnsafeRole
from domain.storage.tenants import create_tenant, list_tenants
from tests.facts import merge_facts, row, stored
from tests.migrations.conftest import forget_dunwell


def _run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [carried_programs() / program, *arguments], capture_output=True, text=True, check=False
    )


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
