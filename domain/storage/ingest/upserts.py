"""Staged rows merged into their table: references resolved, rules across tables checked, changes alone written."""

import re

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import FORMAT, TableFormat
from domain.rejections import RejectCode
from domain.storage.ingest.consequences import refuse_to_move
from domain.storage.ingest.locks import changes_unlocked
from domain.storage.ingest.scope import OF_TENANT
from domain.storage.ingest.staging import CANDIDATE
from domain.storage.ingest.targets import TARGETS, Target

#: Columns whose former value matters to others.
_FOLLOWED = (
    *("debtor_id", "channel", "direction", "sent_at", "paid_at", "promised_at", "opened_on"),
    *("product", "currency", "country", "time_zone", "communication_id", "agent_id"),
)
#: A target's owner → the column of `resolved_<name>` with the one a stored row has had.
_OLD_OWNER = {"id": "stored_id", "debtor_id": "old_debtor_id"}


class Interleaved(Exception):
    """Another writer changed what this merge had looked at; look again."""


_EXPECT = """
    SELECT count(*) FILTER (WHERE problem IS NOT NULL) AS bad,
        count(*) FILTER (WHERE problem IS NULL AND stored AND changed) AS changed,
        count(*) FILTER (WHERE problem IS NULL AND NOT stored) AS new
    FROM resolved_{name}
"""


async def upsert(connection: AsyncConnection, tenant_id: int, name: str, staged: frozenset[str]) -> int:
    """Merge `staged_<name>` into its table; answer how many rows are new or changed.

    Leaves `resolved_<name>`: the rows as they would stand, with stored (was there before), changed, problem.

    Raises:
        Interleaved: another writer has just inserted one of the same rows, or a debtor they belong to.
    """
    table, target = FORMAT[name], TARGETS[name]
    tenant = {"tenant_id": tenant_id}
    if target.owner is None:
        await connection.execute(text(_lock(table, target)), tenant)
    await connection.execute(text(_resolve(table, target, staged)), tenant)
    if name == "communications":
        await refuse_to_move(connection, tenant_id)
    expected = (await connection.execute(text(_EXPECT.format(name=name)))).one()
    if expected.bad:
        await reject_problems(connection, name)
    if expected.changed:
        if target.owner is not None and await changes_unlocked(
            connection, name, owner=_OLD_OWNER[target.owner]
        ):
            raise Interleaved
        await connection.execute(text(_update(table, target)), tenant)
    if expected.new:
        inserted = await connection.execute(text(_insert(table, target)), tenant)
        if inserted.rowcount != expected.new:
            raise Interleaved
    return int(expected.changed + expected.new)


async def reject_problems(connection: AsyncConnection, name: str) -> int:
    """List the rows of `resolved_<name>` that have a problem ("column CODE"); answer how many."""
    listed = await connection.execute(
        text(
            f"INSERT INTO rejected SELECT '{name}', line, split_part(problem, ' ', 1), split_part(problem, ' ', 2) "
            f"FROM resolved_{name} WHERE problem IS NOT NULL"
        )
    )
    return listed.rowcount


def given(table: TableFormat, column: str) -> str:
    """SQL: whether a staged row has the column at all."""
    if table.by_name[column].required:
        return "true"
    return f"(s.given & {1 << list(table.by_name).index(column)}) <> 0"


def merged_attributes(stored: str = "t") -> str:
    """SQL: custom attributes as they stand afterwards; one given empty goes, one absent stays."""
    return (
        f"CASE WHEN s.attributes IS NULL AND s.cleared IS NULL THEN COALESCE({stored}.attributes, '{{}}') "
        f"ELSE (COALESCE({stored}.attributes, '{{}}') || COALESCE(s.attributes, '{{}}')) "
        "- COALESCE(s.cleared, '{}') END"
    )


def problem(checks: list[tuple[str, str, RejectCode]]) -> str:
    """SQL: the first of (condition, column, code) that holds, as "column CODE", else null."""
    if not checks:
        return "CAST(NULL AS text)"
    branches = " ".join(
        f"WHEN {condition} THEN '{column} {code.value}'" for condition, column, code in checks
    )
    return f"CASE {branches} END"


def _resolve(table: TableFormat, target: Target, staged: frozenset[str]) -> str:
    effective = _effective(table, target)
    columns = list(effective)
    checks = [
        (
            f"s.{parent.column} IS NOT NULL AND p_{parent.column}.id IS NULL",
            parent.column,
            RejectCode.UNKNOWN_REFERENCE,
        )
        for parent in target.parents
    ] + [(check.condition(staged), check.column, check.code) for check in target.checks]
    before = "".join(f"t.{name} AS old_{name}, " for name in _FOLLOWED if name in target.table.columns)
    surrogate = "t.id AS stored_id, " if target.identity == ("id",) else ""
    compared = [column for column in columns if column not in target.identity]
    return f"""
        CREATE TEMP TABLE resolved_{table.name} ON COMMIT DROP AS
        SELECT s.line, {surrogate}{before}{_keys(table, target)}, {", ".join(f"e.{column}" for column in columns)},
            t.tenant_id IS NOT NULL AS stored,
            ({", ".join(f"e.{column}" for column in compared)}) IS DISTINCT FROM
            ({", ".join(f"t.{column}" for column in compared)}) AS changed,
            {problem(checks)} AS problem
        FROM staged_{table.name} s
        {_joins(target)}
        CROSS JOIN LATERAL (SELECT {", ".join(f"{sql} AS {column}" for column, sql in effective.items())}) e
        WHERE s.fate = {CANDIDATE}
    """


def _keys(table: TableFormat, target: Target) -> str:
    """The key columns that are not ids of parents; those are among the effective columns."""
    ids = {parent.column for parent in target.parents}
    return ", ".join(f"s.{key}" for key in table.key if key not in ids)


def _effective(table: TableFormat, target: Target) -> dict[str, str]:
    """Target column → SQL of its value afterwards."""
    columns = {}
    for parent in target.parents:
        columns[parent.id_column] = _kept_unless_given(
            table, parent.column, f"p_{parent.column}.id", parent.id_column
        )
    for column in target.copied:
        columns[column] = _kept_unless_given(table, column, f"s.{column}", column)
    for column, sql in target.computed.items():
        columns[column] = re.sub(r"<(\w+)>", lambda named: given(table, named[1]), sql)
    columns["attributes"] = merged_attributes()
    return columns


def _kept_unless_given(table: TableFormat, column: str, sql: str, stored: str) -> str:
    condition = given(table, column)
    return sql if condition == "true" else f"CASE WHEN {condition} THEN {sql} ELSE t.{stored} END"


def _joins(target: Target) -> str:
    parents = [
        f"LEFT JOIN {parent.table} p_{parent.column} ON p_{parent.column}.{OF_TENANT} "
        f"AND p_{parent.column}.{parent.key} = s.{parent.column}"
        for parent in target.parents
    ]
    stored = f"LEFT JOIN {target.table.name} t ON t.{OF_TENANT} AND {target.match}"
    return "\n".join([*parents, target.joins, stored])


def _lock(table: TableFormat, target: Target) -> str:
    """Rows that belong to no debtor are locked by themselves, in the order of their key."""
    keys = ", ".join(f"t.{key}" for key in table.key)
    return (
        f"SELECT count(*) FROM (SELECT FROM {target.table.name} t JOIN staged_{table.name} s ON {target.match} "
        f"WHERE t.{OF_TENANT} AND s.fate = {CANDIDATE} ORDER BY {keys} FOR NO KEY UPDATE OF t) locked"
    )


def _update(table: TableFormat, target: Target) -> str:
    columns = [column for column in _effective(table, target) if column not in target.identity]
    same = (
        "t.id = r.stored_id"
        if target.identity == ("id",)
        else " AND ".join(f"t.{key} = r.{key}" for key in target.identity)
    )
    return (
        f"UPDATE {target.table.name} t SET {', '.join(f'{column} = r.{column}' for column in columns)} "
        f"FROM resolved_{table.name} r WHERE t.{OF_TENANT} AND {same} "
        "AND r.stored AND r.changed AND r.problem IS NULL"
    )


def _insert(table: TableFormat, target: Target) -> str:
    ids = {parent.column for parent in target.parents}
    columns = [key for key in table.key if key not in ids] + list(_effective(table, target))
    columns = list(dict.fromkeys(columns))
    return (
        f"INSERT INTO {target.table.name} (tenant_id, {', '.join(columns)}) "
        f"SELECT :tenant_id, {', '.join(columns)} FROM resolved_{table.name} "
        f"WHERE NOT stored AND problem IS NULL "
        f"ORDER BY {', '.join(target.identity if target.identity != ('id',) else table.key)} ON CONFLICT DO NOTHING"
    )
