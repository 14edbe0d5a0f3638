"""The exported history against the same facts read without a database."""

import asyncio
import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from domain.communications import FUNNEL_INSTANTS
from domain.segments import read_segment_rules
from domain.storage import tables
from domain.storage.derived import define_segments, derive
from domain.storage.history import (
    MOST_ATTRIBUTES,
    Rows,
    debtor_history,
    export_history,
)
from domain.storage.history_frames import CHANNEL_SEPARATOR
from domain.storage.sessions import Database
from domain.vocabulary import EventKind
from tests.domain import oracle
from tests.domain.portfolios import FUNNEL, NOW, DebtorWorld, random_portfolio, write
from tests.domain.storage.derived.test_derivation import ALL, RULES

PAST = NOW - timedelta(days=40)


async def _stored(connection: Any, tenant_id: int, world: Sequence[DebtorWorld]) -> None:
    await write(connection, tenant_id, world)
    await derive(connection, tenant_id, merged=ALL, now=NOW)
    await define_segments(connection, tenant_id, RULES, now=NOW)


def _as_rows(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def _segment(debtor: DebtorWorld, at: datetime) -> str:
    state = oracle.state(debtor, at, at)
    rules = read_segment_rules(RULES)
    return debtor.segment or next((r.key for r in rules if oracle.matches(r.where, state)), "NONE")


@pytest.mark.parametrize(("seed", "as_of"), [(11, PAST), (12, NOW), (13, PAST + timedelta(hours=6))])
async def test_a_history_is_what_was_known_then(
    database: Database, tenant_id: int, seed: int, as_of: datetime
) -> None:
    world = random_portfolio(seed, 40)
    async with database.transaction(tenant_id) as connection:
        await _stored(connection, tenant_id, world)
        ids = {
            row.reference: row.id
            for row in await connection.execute(text("SELECT reference, id FROM debtor"))
        }
        history = await debtor_history(connection, tenant_id, as_of=as_of, debtor_ids=list(ids.values()))
        names = await _references(connection)
    frames = {name: _as_rows(rows) for name, rows in history.frames.items()}
    _check_debtors(frames["debtors"], world, as_of)
    _check_payments(frames["payments"], world, as_of, names)
    _check_communications(frames["communications"], world, as_of, names)
    promised = {names["promise"][row["promise"]]: row["promised_at"] for row in frames["promises"]}
    assert promised == {
        p.reference: p.promised_at for d in world for p in d.promises if p.promised_at <= as_of
    }
    owned = {names["account"][row["account"]]: row["principal"] for row in frames["accounts"]}
    assert owned == {name: a.principal for d in world for name, a in d.accounts.items()}


async def _references(connection: Any) -> dict[str, dict[int, str]]:
    names = {}
    for table in ("debtor", "account", "communication", "payment", "promise"):
        rows = await connection.execute(text(f"SELECT id, reference FROM {table}"))
        names[table] = {row.id: row.reference for row in rows}
    return names


def _check_debtors(rows: Sequence[Mapping[str, Any]], world: Sequence[DebtorWorld], as_of: datetime) -> None:
    found = {row["reference"]: row for row in rows}
    assert len(found) == len(rows) == len(world)
    for debtor in world:
        row = found[debtor.reference]
        assert row["segment"] == _segment(debtor, as_of)
        usable = oracle.usable_channels(debtor, as_of)
        assert [word for word in row["channels"].split(CHANNEL_SEPARATOR) if word] == sorted(usable)
        score = debtor.attributes.get("x_score")
        assert row["x_score"] == (None if score is None else str(score))
        assert row["time_zone"] == debtor.time_zone
        assert "name" not in row
        assert "email" not in row


def _check_payments(
    rows: Sequence[Mapping[str, Any]],
    world: Sequence[DebtorWorld],
    as_of: datetime,
    names: Mapping[str, Mapping[int, str]],
) -> None:
    expected = {}
    for debtor in world:
        known = [c for c in debtor.communications if c.sent_at <= as_of]
        then = _world_of(debtor, known)
        for _, payment in debtor.payments:
            if payment.paid_at > as_of:
                continue
            reversed_at = payment.reversed_at
            is_reversed = reversed_at is not None and reversed_at <= as_of
            cause = None if is_reversed else oracle.attributed(then)[payment.reference]
            expected[payment.reference] = (payment.amount, reversed_at if is_reversed else None, cause)
    assert {
        names["payment"][row["payment"]]: (
            row["amount"],
            row["reversed_at"],
            names["communication"].get(row["communication"]),
        )
        for row in rows
    } == expected


def _world_of(debtor: DebtorWorld, communications: Sequence[Any]) -> DebtorWorld:
    """The debtor as if no other communications had been sent."""
    from dataclasses import replace

    sent = {c.reference for c in communications}
    return replace(
        debtor,
        communications=list(communications),
        events=[e for e in debtor.events if e.communication in sent],
        causes={payment: cause for payment, cause in debtor.causes.items() if cause in sent},
    )


def _check_communications(
    rows: Sequence[Mapping[str, Any]],
    world: Sequence[DebtorWorld],
    as_of: datetime,
    names: Mapping[str, Mapping[int, str]],
) -> None:
    found = {names["communication"][row["communication"]]: row for row in rows}
    sent = {c.reference: (debtor, c) for debtor in world for c in debtor.communications if c.sent_at <= as_of}
    assert found.keys() == sent.keys()
    for reference, (debtor, communication) in sent.items():
        events = [e for e in debtor.events if e.communication == reference and e.occurred_at <= as_of]
        for column in FUNNEL_INSTANTS:
            instants = [e.occurred_at for e in events if column in _columns(e.kind, e.automated)]
            assert found[reference][column] == min(instants, default=None), (reference, column)
        assert found[reference]["channel"] == communication.channel


def _columns(kind: EventKind, automated: bool) -> Sequence[str]:
    if automated and kind in (EventKind.OPENED, EventKind.CLICKED, EventKind.LANDED, EventKind.REPLIED):
        return ("machine_opened_at",) if kind is EventKind.OPENED else ()
    return FUNNEL[kind]


async def test_files_hold_what_the_rows_hold(database: Database, tenant_id: int, tmp_path: Path) -> None:
    world = random_portfolio(14, 30)
    rates = [("2026-02-01", "DKK", "0.13"), ("2026-02-20", "DKK", "0.14"), ("2026-03-30", "DKK", "0.15")]
    async with database.transaction(tenant_id) as connection:
        await _stored(connection, tenant_id, world)
        for day, currency, rate in rates:
            values = {"date": date.fromisoformat(day), "currency": currency, "rate": Decimal(rate)}
            await connection.execute(insert(tables.exchange_rate).values(tenant_id=tenant_id, **values))
        template = {"tenant_id": tenant_id, "reference": "T", "channel": "EMAIL", "subject": 'Pay, "now"'}
        await connection.execute(insert(tables.template).values(template))
        exported = await export_history(connection, tenant_id, as_of=PAST, to=tmp_path)
        ids = list(await connection.scalars(text("SELECT id FROM debtor")))
        at_hand = await debtor_history(connection, tenant_id, as_of=PAST, debtor_ids=ids)
    assert (exported.currency, exported.rates) == ("EUR", {"DKK": Decimal("0.14")})
    assert (exported.rates, exported.as_of) == (at_hand.rates, at_hand.as_of)
    for name, path in exported.files.items():
        with path.open(newline="", encoding="utf-8") as file:
            columns, *lines = csv.reader(file)
        rows = at_hand.frames[name]
        assert tuple(columns) == rows.columns
        assert sorted(lines) == sorted([[_as_text(value) for value in row] for row in rows.rows])
    assert at_hand.frames["templates"].rows == [("T", "EMAIL", None, None, None, 'Pay, "now"')]


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(sep=" ").replace("+00:00", "+00")
    return "" if value is None else str(value)


async def test_only_the_debtors_asked_for_are_read(database: Database, tenant_id: int, new_tenant) -> None:
    world = random_portfolio(15, 6)
    async with database.transaction(tenant_id) as connection:
        await _stored(connection, tenant_id, world)
        one = await connection.scalar(text("SELECT id FROM debtor WHERE reference = 'D0003'"))
        history = await debtor_history(connection, tenant_id, as_of=NOW, debtor_ids=[one, 10**12])
        assert [row["debtor"] for row in _as_rows(history.frames["debtors"])] == [one]
        for name in ("accounts", "communications", "payments", "promises"):
            assert {row["debtor"] for row in _as_rows(history.frames[name])} <= {one}
    other = new_tenant()
    async with database.transaction(other) as connection:
        history = await debtor_history(connection, other, as_of=NOW, debtor_ids=[one])
        assert not any(frame.rows for frame in history.frames.values())


async def test_attributes_without_end_leave_those_that_most_have(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    world = random_portfolio(14, 6)
    async with database.transaction(tenant_id) as connection:
        await _stored(connection, tenant_id, world)
        await connection.execute(text("UPDATE debtor SET attributes = '{\"x_common\": 1}'"))
        many = """
            UPDATE debtor SET attributes = attributes || (
                SELECT jsonb_object_agg('x_' || n, n) FROM generate_series(1, 3000) n)
            WHERE id = (SELECT min(id) FROM debtor)"""
        await connection.execute(text(many))
        ids = list(await connection.scalars(text("SELECT id FROM debtor")))
        found = await debtor_history(connection, tenant_id, as_of=NOW, debtor_ids=ids)
        exported = await export_history(connection, tenant_id, as_of=NOW, to=tmp_path)
    for columns in (
        found.frames["debtors"].columns,
        exported.files["debtors"].read_text().splitlines()[0].split(","),
    ):
        named = [name for name in columns if name.startswith("x_")]
        assert len(named) == MOST_ATTRIBUTES
        assert "x_common" in named


async def test_a_disk_that_is_full_ends_an_export_and_leaves_the_connection_free(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    """`/dev/full` takes nothing, so the file is refused in the middle of what the server sends."""
    (tmp_path / "communications.csv").symlink_to("/dev/full")
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, random_portfolio(11, 400))

        async def export() -> None:
            async with connection.begin_nested():
                await export_history(connection, tenant_id, as_of=NOW, to=tmp_path)

        with pytest.raises(OSError, match="No space left on device"):
            await asyncio.wait_for(export(), 20)
        assert await connection.scalar(text("SELECT count(*) FROM debtor")) == 400
