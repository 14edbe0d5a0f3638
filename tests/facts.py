"""Facts as a creditor would send them: good rows, a way to merge them, and a picture of what is stored then."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import text

from domain.import_format import FORMAT, Chunk, TextCells
from domain.storage.ingest import MergeReport, Rejection, merge
from domain.storage.ingest.items import items_chunk
from domain.storage.sessions import Database

NOW = datetime(2026, 6, 1, tzinfo=UTC)

_DEFAULTS: dict[str, dict[str, Any]] = {
    "agents": {"reference": "G1", "name": "Agent", "active_from": "2025-01-01"},
    "templates": {"reference": "T1", "channel": "EMAIL"},
    "exchange_rates": {"date": "2026-01-05", "currency": "USD", "rate": "0.909091"},
    "finance": {"month": "2026-01", "currency": "EUR", "credit_sales": "1500000"},
    "debtors": {"reference": "D1", "name": "Ana", "country": "ES"},
    "accounts": {
        "reference": "A1",
        "debtor": "D1",
        "product": "CARD",
        "currency": "EUR",
        "principal": "100.00",
        "opened_on": "2025-10-04",
        "due_on": "2026-01-02",
    },
    "contact_points": {"debtor": "D1", "channel": "PUSH", "address": "device-1"},
    "contact_requests": {
        "reference": "Q1",
        "debtor": "D1",
        "kind": "STOP",
        "made_at": "2026-02-01T10:00:00Z",
    },
    "communications": {
        "reference": "C1",
        "debtor": "D1",
        "channel": "EMAIL",
        "direction": "OUTBOUND",
        "sent_at": "2026-02-01T10:00:00Z",
    },
    "events": {"reference": "E1", "debtor": "D1", "kind": "LANDED", "occurred_at": "2026-02-01T12:00:00Z"},
    "payments": {
        "reference": "P1",
        "account": "A1",
        "amount": "10.00",
        "currency": "EUR",
        "paid_at": "2026-02-02T10:00:00Z",
    },
    "promises": {
        "reference": "R1",
        "account": "A1",
        "amount": "10.00",
        "currency": "EUR",
        "direction": "INBOUND",
        "promised_at": "2026-02-02T10:00:00Z",
        "due_on": "2026-02-10",
    },
}


def row(table: str, **values: Any) -> dict[str, Any]:
    """A good row of a table, with these values instead of the usual ones."""
    return _DEFAULTS[table] | values


def chunk(table: str, rows: Sequence[Mapping[str, Any]], *, first_line: int = 2) -> Chunk:
    """Rows as a file would give them: every column that any row has, from a line on."""
    columns = dict.fromkeys(name for one in rows for name in one)
    cells = {name: [one.get(name, "") for one in rows] for name in columns}
    lines = range(first_line, first_line + len(rows))
    if all(isinstance(cell, str) and cell.isascii() for column in cells.values() for cell in column):
        return Chunk(lines, TextCells(pl.DataFrame(cells).with_columns(pl.all().replace("", None))))
    return Chunk(lines, cells)


async def merge_facts(
    database: Database,
    tenant_id: int,
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    strict: bool = False,
    items: bool = False,
) -> tuple[MergeReport, list[Rejection]]:
    """Merge rows as one data set (or as items, whose absent keys are absent) in a transaction of its own."""
    rejections: list[Rejection] = []
    make = (lambda name, rows: items_chunk(FORMAT[name], rows)) if items else chunk
    async with database.transaction(tenant_id) as connection:
        report = await merge(
            connection,
            tenant_id,
            {name: [make(name, rows)] for name, rows in facts.items()},
            now=NOW,
            strict=strict,
            on_rejection=rejections.append,
        )
    return report, rejections


_REFERENCES = {"debtor_id": "debtor", "account_id": "account", "agent_id": "agent"}
_REFERENCES |= {"communication_id": "communication", "attributed_to": "communication"}
_TABLES = (
    *("agent", "debtor", "debtor_balance", "account", "communication", "event", "payment", "promise"),
    *("contact_point", "contact_request", "template", "exchange_rate", "finance", "segment"),
)


async def stored(database: Database, tenant_id: int) -> dict[str, list[dict[str, Any]]]:
    """Every fact and every derived column of a tenant, surrogate ids replaced by references, in a fixed order."""
    picture = {}
    async with database.transaction(tenant_id) as connection:
        names: dict[tuple[str, int], str] = {}
        for table in ("debtor", "account", "agent", "communication"):
            for found in await connection.execute(text(f"SELECT id, reference FROM {table}")):
                names[table, found.id] = found.reference
        for table in _TABLES:
            rows = []
            for found in (await connection.execute(text(f"SELECT * FROM {table}"))).mappings():
                rows.append(
                    {
                        column: names[_REFERENCES[column], value]
                        if column in _REFERENCES and value is not None
                        else value
                        for column, value in found.items()
                        if column not in ("id", "tenant_id")
                    }
                )
            picture[table] = sorted(rows, key=lambda one: repr(sorted(one.items())))
    return picture
