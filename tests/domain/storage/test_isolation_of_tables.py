"""Two tenants with a row in every table: as the app's own role, neither sees, changes or adds one of the other's."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import Float, Integer, Numeric, SmallInteger, Text

from domain.storage import tables
from domain.storage.sessions import Database

TABLES = [table for table in tables.metadata.sorted_tables if table is not tables.tenant]
#: What the app's role may do to a table's own rows besides reading them and adding to them.
GRANTED = dict.fromkeys((table.name for table in TABLES), frozenset({"UPDATE", "DELETE"})) | {
    "audit_entry": frozenset(),
    "trusted_document": frozenset({"DELETE"}),
}
Planted = dict[str, dict[str, Any]]


def first_word(column: Column[Any]) -> str:
    """A word that the column's CHECK allows."""
    for constraint in column.table.constraints:
        if (
            isinstance(constraint, CheckConstraint)
            and constraint.name == f"{column.table.name}_{column.name}_check"
        ):
            return str(constraint.sqltext).split("'")[1]
    return "x"


def value_for(column: Column[Any], parents: Planted) -> Any:
    for constraint in column.table.constraints:
        if isinstance(constraint, ForeignKeyConstraint) and column.name in constraint.column_keys[1:]:
            return parents[constraint.referred_table.name]["id"]
    samples: tuple[tuple[Any, Any], ...] = (
        (ARRAY, []),
        (JSONB, {}),
        (LargeBinary, b"x"),
        (DateTime, datetime(2026, 5, 1, tzinfo=UTC)),
        (Date, date(2026, 5, 1)),
        (Boolean, False),
        ((Integer, SmallInteger), 1),
        (Float, 1.0),
        (Numeric, Decimal(1)),
        (Text, first_word(column)),
    )
    for kind, sample in samples:
        if isinstance(column.type, kind):
            return sample
    raise NotImplementedError(column)


def row_for(table: Table, tenant_id: int, parents: Planted) -> dict[str, Any]:
    """A row with what must be stated, and nothing else."""
    stated = [
        column
        for column in table.columns
        if not (column.nullable or column.server_default is not None or column.identity is not None)
    ]
    row = {column.name: value_for(column, parents) for column in stated if column.name != "tenant_id"}
    return {**row, "tenant_id": tenant_id}


@pytest.fixture(scope="module")
def planted(owner_url: str) -> Iterator[dict[int, Planted]]:
    """Two tenants, and the row that each has in each table."""
    engine = create_engine(make_url(owner_url).set(drivername="postgresql+psycopg"))
    found: dict[int, Planted] = {}
    with engine.begin() as connection:
        for name in ("one", "other"):
            made = insert(tables.tenant).values(key=f"isolated-{name}", name=name, currency="EUR")
            tenant_id = connection.execute(made.returning(tables.tenant.c.id)).scalar_one()
            connection.execute(select(func.set_config("dunwell.tenant_id", str(tenant_id), True)))
            rows: Planted = {}
            for table in TABLES:
                stored = insert(table).values(row_for(table, tenant_id, rows)).returning(*table.columns)
                rows[table.name] = dict(connection.execute(stored).one()._mapping)
            sizes = tables.segment_size  # the planted debtor has been counted as well
            others = delete(sizes).where(sizes.c.tenant_id == tenant_id, sizes.c.id != rows[sizes.name]["id"])
            connection.execute(others)
            found[tenant_id] = rows
    engine.dispose()
    yield found
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for tenant_id in found:
            connection.execute("SELECT set_config('dunwell.tenant_id', %s, false)", (str(tenant_id),))
            for table in (*reversed(TABLES), tables.segment_size):
                connection.execute(f"DELETE FROM {table.name} WHERE tenant_id = {tenant_id}")
            connection.execute(f"DELETE FROM tenant WHERE id = {tenant_id}")


@pytest.fixture
def one(planted: dict[int, Planted]) -> int:
    return min(planted)


@pytest.fixture
def other(planted: dict[int, Planted]) -> int:
    return max(planted)


async def refused(database: Database, tenant_id: int, statement: Any) -> str:
    """How a statement is refused."""
    with pytest.raises(DBAPIError) as raised:
        async with database.transaction(tenant_id) as connection:
            await connection.execute(statement)
    said = str(raised.value.orig)
    return (
        "permission denied"
        if "permission denied" in said
        else "row-level security"
        if "row-level" in said
        else said
    )


async def affected(database: Database, tenant_id: int, statement: Any) -> int:
    async with database.transaction(tenant_id) as connection:
        found: int = (await connection.execute(statement)).rowcount
        await connection.rollback()
    return found


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_no_row_of_another_tenant_is_seen_changed_added_or_removed(
    database: Database, planted: dict[int, Planted], one: int, other: int, table: Table
) -> None:
    own, foreign = table.c.tenant_id == one, table.c.tenant_id == other
    async with database.transaction(one) as connection:
        assert set(await connection.scalars(select(table.c.tenant_id))) == {one}
        assert (await connection.execute(select(table).where(foreign))).all() == []
    new = row_for(table, other, planted[other])
    assert await refused(database, one, insert(table).values(new)) == "row-level security"
    verbs: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("UPDATE", lambda whose: update(table).where(whose).values(tenant_id=table.c.tenant_id)),
        ("DELETE", lambda whose: delete(table).where(whose)),
    )
    for verb, statement in verbs:
        if verb not in GRANTED[table.name]:
            for whose in (own, foreign):
                assert await refused(database, one, statement(whose)) == "permission denied"
            continue
        assert await affected(database, one, statement(foreign)) == 0
    if "UPDATE" in GRANTED[table.name]:
        moved = update(table).where(own).values(tenant_id=other)
        assert await refused(database, one, moved) == "row-level security"
    assert await refused(database, one, text(f"TRUNCATE {table.name} CASCADE")) == "permission denied"
    async with database.transaction(other) as connection:
        (kept,) = (await connection.execute(select(table))).all()
    assert dict(kept._mapping) == planted[other][table.name]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_without_a_tenant_there_is_nothing(database: Database, planted, one: int, table: Table) -> None:
    async with database.transaction(one) as connection:
        await connection.execute(text("SELECT set_config('dunwell.tenant_id', '', true)"))
        assert (await connection.execute(select(table))).all() == []


async def test_a_tenant_sees_of_tenants_itself_and_changes_none(
    database: Database, planted, one: int, other: int
) -> None:
    async with database.transaction(one) as connection:
        assert list(await connection.scalars(select(tables.tenant.c.id))) == [one]
    for statement in (
        insert(tables.tenant).values(key="z", name="z", currency="EUR"),
        update(tables.tenant).values(name="z"),
        delete(tables.tenant),
    ):
        assert await refused(database, one, statement) == "permission denied"


async def test_there_is_nothing_else_to_look_at(database: Database, planted, one: int) -> None:
    """Every relation of the schema is one of the tables above, and every function that runs as its owner is known."""
    async with database.transaction(one) as connection:
        relations = set(
            await connection.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                    " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
                )
            )
        )
        assert relations == {table.name for table in TABLES} | {"tenant", "alembic_version"}
        definers = set(
            await connection.scalars(
                text("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
            )
        )
        assert definers == {"tenant_id_of", "all_tenant_ids"}
        owned = await connection.scalars(
            text(
                "SELECT privilege_type || ' ' || table_name FROM information_schema.role_table_grants"
                " WHERE grantee = 'dunwell_app' AND table_schema = 'public'"
            )
        )
        granted = {tuple(each.split(" ", 1)) for each in owned}
    expected = {(verb, name) for name, verbs in GRANTED.items() for verb in verbs | {"SELECT", "INSERT"}}
    assert {pair for pair in granted if pair[0] != "MAINTAIN"} == expected | {
        ("SELECT", "tenant"),
        ("SELECT", "alembic_version"),
    }
