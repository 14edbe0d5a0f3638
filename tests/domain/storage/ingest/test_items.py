"""Facts from mutations: typed values, fields that are absent, rejections by position."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from time import process_time

import polars as pl
import pytest
from sqlalchemy import text

from domain.import_format import FORMAT, TextCells, read_rows
from domain.storage.ingest import IngestReport, ItemRejection, ingest_items
from domain.storage.ingest.items import items_chunk
from domain.vocabulary import Channel, Direction, EventKind
from tests.facts import NOW, merge_facts, row, stored


async def ingest(database, tenant_id, table, *items) -> IngestReport:
    async with database.transaction(tenant_id) as connection:
        return await ingest_items(connection, tenant_id, table, items, now=NOW)


@pytest.fixture
async def portfolio(database, tenant_id):
    debtors = [row("debtors"), row("debtors", reference="D2")]
    await merge_facts(database, tenant_id, {"debtors": debtors, "accounts": [row("accounts")]})
    return tenant_id


async def test_typed_values_are_what_their_text_would_be(database, portfolio):
    sent_at = datetime(2026, 2, 1, 10, tzinfo=UTC)
    message = {
        "reference": "C1",
        "debtor": "D1",
        "account": "A1",
        "channel": Channel.SMS,
        "sent_at": sent_at,
        "direction": Direction.OUTBOUND,
        "cost": Decimal("0.02"),
        "currency": "EUR",
        "propensity": 0.25,
    }
    event = {
        "reference": "E1",
        "debtor": "D1",
        "communication": "C1",
        "kind": EventKind.OPENED,
        "occurred_at": sent_at,
    }
    promise = row("promises", due_on=date(2026, 2, 10), promised_at=sent_at, amount=Decimal(5))
    for table, item in (("communications", message), ("events", event), ("promises", promise)):
        assert await ingest(database, portfolio, table, item) == IngestReport(1, 0, [])
        assert await ingest(database, portfolio, table, item) == IngestReport(0, 1, [])
    as_text = row(
        "communications", account="A1", channel="SMS", cost="0.020", currency="EUR", propensity="0.25"
    )
    report, _ = await merge_facts(database, portfolio, {"communications": [as_text]})
    assert report.tables["communications"].duplicates == 1


async def test_good_items_are_taken_and_bad_ones_told_by_their_position(database, portfolio):
    report = await ingest(
        database,
        portfolio,
        "events",
        row("events"),
        row("events", reference="E2", kind="SNEEZED"),
        row("events", reference="E3"),
        row("events", reference="E3"),
        row("events", reference="E4", debtor="D9"),
        row("events", reference="E5", attributes={"score": 1}),
        row("events", reference="E6", attributes=["x_score"]),
        row("events", reference="E7", attributes={"x_tags": ["a"]}),
    )
    assert (report.accepted, report.duplicates) == (2, 1)
    assert [(bad.index, bad.field, bad.code) for bad in report.rejected] == [
        (1, "kind", "UNKNOWN_WORD"),
        (4, "debtor", "UNKNOWN_REFERENCE"),
        (5, "attributes", "INVALID_ATTRIBUTE"),
        (6, "attributes", "INVALID_ATTRIBUTE"),
        (7, "x_tags", "INVALID_ATTRIBUTE"),
    ]
    assert all(isinstance(bad, ItemRejection) and bad.message for bad in report.rejected)


async def test_nothing_comes_of_nothing(database, portfolio):
    assert await ingest(database, portfolio, "events") == IngestReport(0, 0, [])


async def test_one_transaction_may_hold_several_merges(database, portfolio):
    reports = []
    async with database.transaction(portfolio) as connection:
        for table in ("communications", "events", "communications", "events"):
            items = [row(table), row(table, reference="BAD", debtor="D9")]
            reports.append(await ingest_items(connection, portfolio, table, items, now=NOW))
    assert [(report.accepted, report.duplicates) for report in reports] == [(1, 0), (1, 0), (0, 1), (0, 1)]
    assert [bad.code for report in reports for bad in report.rejected] == ["UNKNOWN_REFERENCE"] * 4


async def test_a_field_the_table_does_not_have_is_an_error_of_the_caller(database, portfolio):
    with pytest.raises(ValueError, match="mood"):
        await ingest(database, portfolio, "events", row("events", mood="good"))


async def test_none_clears_and_absence_leaves(database, portfolio):
    full = row("debtors", email="a@example.org", phone="+34600000000", attributes={"x_a": 1, "x_b": "two"})
    await ingest(database, portfolio, "debtors", full)
    await ingest(
        database, portfolio, "debtors", row("debtors", email=None, attributes={"x_a": None, "x_c": True})
    )
    found = next(one for one in (await stored(database, portfolio))["debtor"] if one["reference"] == "D1")
    assert (found["email"], found["phone"]) == (None, "+34600000000")
    assert found["attributes"] == {"x_b": "two", "x_c": True}


async def test_a_communication_answers_a_decision_about_its_own_debtor_only(database, portfolio):
    async with database.transaction(portfolio) as connection:
        decision = await connection.scalar(
            text(
                "INSERT INTO decision (tenant_id, debtor_id, decided_at, propensity, explored, arm, eligible, "
                "blocked_by, seed, rules_version) "
                "SELECT :tenant_id, id, now(), 1, false, 'PLANNED', '{}', '[]', 1, '1' "
                "FROM debtor WHERE reference = 'D1' RETURNING id"
            ),
            {"tenant_id": portfolio},
        )
    own = row("communications", decision_id=decision)
    others = row("communications", reference="C2", debtor="D2", decision_id=decision)
    report = await ingest(database, portfolio, "communications", own, others)
    assert (report.accepted, [(bad.index, bad.field, bad.code) for bad in report.rejected]) == (
        1,
        [(1, "decision_id", "DEBTOR_MISMATCH")],
    )
    moved = await ingest(database, portfolio, "communications", row("communications", debtor="D2"))
    assert [(bad.field, bad.code) for bad in moved.rejected] == [("decision_id", "DEBTOR_MISMATCH")]


async def test_the_longest_texts_fit_their_indexes(database, portfolio):
    widest = "\U0001f4b6"
    debtor = row("debtors", reference=widest * 255, name=widest * 500, segment=widest * 255)
    point = row("contact_points", address=widest * 500)
    event = row("events", reference=widest * 255)
    assert (await ingest(database, portfolio, "debtors", debtor)).accepted == 1
    assert (await ingest(database, portfolio, "contact_points", point)).accepted == 1
    assert (await ingest(database, portfolio, "events", event)).accepted == 1


def test_attributes_that_each_item_names_otherwise_take_the_room_of_those_that_are_there() -> None:
    """Not that of a table of all names by all items, which would be a thousand times as much."""
    items = [
        row("debtors", reference=f"D{n}", attributes={f"x_{n}_{at}": at for at in range(20)})
        for n in range(500)
    ]
    chunk = items_chunk(FORMAT["debtors"], items)
    assert sum(map(len, chunk.columns.values())) == 500 * (len(items[0]) - 1)
    assert sum(map(len, chunk.attributes or ())) == 500 * 20
    read = read_rows(FORMAT["debtors"], chunk)
    assert read.problems == {}
    assert [json.loads(each or "") for each in read.attributes] == [item["attributes"] for item in items]


def test_a_file_of_many_columns_is_read_in_proportion_to_them() -> None:
    """Each column is found at once: nothing goes through the names of all others for it."""
    names = [f"x_{n}" for n in range(20_000)]
    cells = TextCells(pl.DataFrame({name: ["1"] for name in names}))
    started = process_time()
    assert sum(len(cells[name]) for name in names[:2000]) == 2000
    of_many = process_time() - started
    few = TextCells(pl.DataFrame({name: ["1"] for name in names[:2000]}))
    started = process_time()
    assert sum(len(few[name]) for name in names[:2000]) == 2000
    assert of_many < 5 * (process_time() - started)
