"""The migrations and the tables say the same, and every migration can be undone and done again."""

from collections.abc import Iterator
from importlib.metadata import version

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from api.jobs import tables
from api.jobs.tables import count_job_tables, newest_job_tables
from api.migrating import TableInUse, migrate
from api.schema_revision import SchemaBehind, newest_revision, revisions, verify_schema
from domain.storage.sessions import Database, ReadOnlyDatabase, UnsafeRole
from domain.storage.tenants import TenantError, change_settings, create_tenant, list_tenants
from tests.conftest import ROOT, new_database
from tests.domain.storage.rollups.rollups import refresh
from tests.facts import NOW, merge_facts, row, stored

REVISIONS = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]

_SCHEMA = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT tablename, policyname, qual, with_check, '', '' FROM pg_policies
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'function', proname, pg_get_functiondef(oid), '', '', '' FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3
"""


def config(url: str) -> Config:
    made = Config(ROOT / "alembic.ini")
    made.attributes["url"] = url
    return made


def schema(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_SCHEMA).fetchall()


def test_files_are_named_after_the_revisions_they_hold() -> None:
    assert newest_revision() == REVISIONS[-1]
    assert set(revisions()) == set(REVISIONS)


def test_what_is_known_of_the_job_tables_is_what_dbos_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (version("dbos"), count_job_tables()) == tables._COUNTED  # to be renewed with the lock
    monkeypatch.setattr(tables, "_COUNTED", ("another release", 0))
    assert newest_job_tables() == count_job_tables()


def test_the_tables_are_what_the_migrations_make(owner_url: str) -> None:
    command.check(config(owner_url))


@pytest.fixture(scope="module")
def climbed_url(cluster_url: str) -> Iterator[str]:
    """A database that is migrated step by step, each test going on where the one before it ended."""
    with new_database(cluster_url) as url:
        yield url


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_migration_can_be_undone_and_done_again(climbed_url: str, revision: str) -> None:
    command.upgrade(config(climbed_url), revision)
    once = schema(climbed_url)
    command.downgrade(config(climbed_url), "-1")
    command.upgrade(config(climbed_url), revision)
    assert schema(climbed_url) == once


def test_undoing_all_leaves_nothing_behind(empty_url: str) -> None:
    before = schema(empty_url)
    command.upgrade(config(empty_url), "head")
    command.downgrade(config(empty_url), "base")
    left = [row for row in schema(empty_url) if row[0] != "alembic_version"]
    assert left == before


async def test_migrating_twice_is_free_and_then_the_schema_is_current(empty_url: str) -> None:
    database = Database(empty_url)
    try:
        with pytest.raises(SchemaBehind, match=r"has not been migrated yet.*dunwell migrate"):
            await verify_schema(database)
        assert migrate(empty_url) == newest_revision()
        once = schema(empty_url)
        migrate(empty_url)
        assert schema(empty_url) == once
        await verify_schema(database)
    finally:
        await database.close()


async def test_a_schema_of_a_newer_version_is_refused(migrated_url: str) -> None:
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    database = Database(migrated_url)
    try:
        with pytest.raises(SchemaBehind, match="newer dunwell"):
            await verify_schema(database)
        with pytest.raises(SchemaBehind, match=r"revision 9999.*newer dunwell"):
            migrate(migrated_url)
    finally:
        await database.close()


async def test_a_login_without_the_apps_role_is_told_what_to_grant(plain_url: str) -> None:
    migrate(plain_url)
    with psycopg.connect(plain_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain_login LOGIN PASSWORD 'plain'")
    url = make_url(plain_url).set(username="plain_login").render_as_string(hide_password=False)
    database = Database(url)
    try:
        for verify in (database.verify_role, lambda: verify_schema(database)):
            with pytest.raises(UnsafeRole, match="GRANT dunwell_app TO plain_login;"):
                await verify()
        with psycopg.connect(plain_url, autocommit=True) as connection:
            connection.execute("GRANT dunwell_app TO plain_login")
        for of_the_owner in (create_tenant(url, key="acme", name="Acme", currency="EUR"), list_tenants(url)):
            with pytest.raises(TenantError, match="DUNWELL_MIGRATIONS_URL"):
                await of_the_owner
        await verify_schema(database)
        await database.verify_role()
    finally:
        await database.close()


async def test_job_tables_that_are_missing_or_old_are_made_anew_by_migrating(migrated_url: str) -> None:
    database = Database(migrated_url)
    try:
        for spoil in ("UPDATE dbos.dbos_migrations SET version = version - 1", "DROP SCHEMA dbos CASCADE"):
            with psycopg.connect(migrated_url, autocommit=True) as connection:
                connection.execute(spoil)
            with pytest.raises(SchemaBehind, match=r"background jobs.*dunwell migrate"):
                await verify_schema(database)
            migrate(migrated_url)
            await verify_schema(database)
    finally:
        await database.close()


def test_a_table_in_use_is_no_fault_and_changes_nothing(empty_url: str) -> None:
    command.upgrade(config(empty_url), "0014_unsubscribed_events")  # the next one adds a column to debtors
    before = schema(empty_url)
    with psycopg.connect(empty_url) as reader:
        reader.execute("LOCK TABLE debtor IN ACCESS SHARE MODE")
        with pytest.raises(TableInUse, match=r"nothing was changed\. Try again"):
            migrate(empty_url)
    assert schema(empty_url) == before
    assert migrate(empty_url) == newest_revision()


async def test_a_database_that_takes_no_writes_is_refused(migrated_url: str) -> None:
    name = make_url(migrated_url).database
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(migrated_url)
    try:
        with pytest.raises(ReadOnlyDatabase, match="Name the primary"):
            await database.verify_writable()
        with pytest.raises(ReadOnlyDatabase):
            migrate(migrated_url)
    finally:
        await database.close()


async def test_an_owner_who_may_just_create_roles_is_enough(plain_url: str) -> None:
    migrate(plain_url)
    database = Database(plain_url)
    try:
        await database.verify_role()
        tenant_id = await create_tenant(plain_url, key="acme", name="Acme", currency="EUR")
        tables = ("debtors", "accounts", "communications", "events", "payments")
        report, _ = await merge_facts(database, tenant_id, {table: [row(table)] for table in tables})
        assert report.rejected == 0
        assert await database.tenants_to_do("dirty_day") == [tenant_id]
        assert await refresh(database, tenant_id)
        await change_settings(plain_url, key="acme", changes={"promise_grace_days": 5}, now=NOW)
        assert [one.collection.promise_grace_days for one in await list_tenants(plain_url)] == [5]
        assert [one["reference"] for one in (await stored(database, tenant_id))["debtor"]] == ["D1"]
    finally:
        await database.close()
