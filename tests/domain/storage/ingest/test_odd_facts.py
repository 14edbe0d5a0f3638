"""Facts that are odd and yet true: each is taken, what it changes is named, and nothing else changes."""

import pytest

from domain.kpis.requests import KpiRequestError, MessageDimension, Period
from domain.storage.rollups.answering import current_message_kpis
from tests.domain.storage.rollups.rollups import WINTER, refresh
from tests.facts import NOW, merge_facts, row, stored

# Beside the debtor of each case stands another with the same facts.
PORTFOLIO = {
    "debtors": [row("debtors", time_zone="Europe/Madrid"), row("debtors", reference="D2")],
    "accounts": [
        row("accounts"),
        row("accounts", reference="A2", debtor="D2"),
        row("accounts", reference="CLOSED", closed_on="2026-01-20"),
    ],
    "communications": [row("communications"), row("communications", reference="C2", debtor="D2")],
    "events": [
        row("events", reference="E0", communication="C1", kind="DELIVERED"),
        row("events", reference="E2", debtor="D2", communication="C2", kind="OPENED"),
    ],
    "promises": [row("promises"), row("promises", reference="R2", account="A2")],
    "payments": [row("payments", reference="P2", account="A2")],
}

_OPENED = {("event", "E1"), ("communication", "C1", "opened_at")}

#: What is odd → the table, the fact, and all that it changes: new rows, and columns of stored ones.
ODD = {
    "an open before its message was sent": (
        "events",
        row("events", communication="C1", kind="OPENED", occurred_at="2026-02-01T09:00:00Z"),
        _OPENED,
    ),
    "an open by a clock that is years ahead": (
        "events",
        row("events", communication="C1", kind="OPENED", occurred_at="2029-01-01T00:00:00Z"),
        _OPENED,
    ),
    "an open in the hour that comes twice": (
        "events",
        row("events", communication="C1", kind="OPENED", occurred_at="2026-10-25T02:30:00+01:00"),
        _OPENED,
    ),
    "an event of no message": ("events", row("events", kind="PAYMENT_STARTED"), {("event", "E1")}),
    "a payment on a closed account": (
        "payments",
        row("payments", account="CLOSED"),
        {("payment", "P1"), ("account", "CLOSED", "balance")},
    ),
    "a payment that is dated later than now": (
        "payments",
        row("payments", paid_at="2029-01-01T00:00:00Z"),
        {("payment", "P1"), ("debtor", "D1", "state_until")},
    ),
    "a promise overpaid": (
        "payments",
        row("payments", amount="35.00"),
        {
            ("payment", "P1"),
            ("promise", "R1", "kept_at"),
            ("promise", "R1", "filled"),
            ("account", "A1", "balance"),
            ("debtor_balance", "D1"),
        },
    ),
}


def changes(before: dict, after: dict) -> set[tuple[str, ...]]:
    """(table, reference) of new rows, (table, reference, column) of what differs in stored ones."""
    found: set[tuple[str, ...]] = set()
    for table, rows in after.items():
        former = {name(one): one for one in before[table]}
        assert len(former) == len(before[table])
        assert former.keys() <= {name(one) for one in rows}
        for one in rows:
            known = former.get(name(one))
            if known is None:
                found.add((table, name(one)))
            else:
                found |= {(table, name(one), column) for column in one if one[column] != known[column]}
    return found


def name(one: dict) -> str:
    return str(one.get("reference") or one.get("key") or one.get("debtor_id"))


@pytest.fixture
async def portfolio(database, tenant_id):
    await merge_facts(database, tenant_id, PORTFOLIO)
    return tenant_id


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_fact_changes_what_it_is_about_and_nothing_else(database, portfolio, odd) -> None:
    table, fact, expected = ODD[odd]
    before = await stored(database, portfolio)
    _, rejections = await merge_facts(database, portfolio, {table: [fact]})
    assert rejections == []
    found = changes(before, await stored(database, portfolio))
    if ("debtor_balance", "D1") in expected:  # whichever of its columns
        found = {one[:2] if one[:2] == ("debtor_balance", "D1") else one for one in found}
    assert found == expected


async def test_what_a_clock_ahead_tells_is_known_from_then_on_only(database, portfolio) -> None:
    _, fact, _ = ODD["an open by a clock that is years ahead"]
    await merge_facts(database, portfolio, {"events": [fact]})
    await refresh(database, portfolio)
    (known,) = await current_message_kpis(database, portfolio, period=WINTER, by=[], as_of=NOW)
    (then,) = await current_message_kpis(
        database, portfolio, period=WINTER, by=[], as_of=NOW.replace(year=2030)
    )
    assert (known.opened, then.opened) == (1, 2)
    assert known.sent == then.sent == 2


async def test_a_refused_question_counts_no_day_again(database, portfolio) -> None:
    before = await stored(database, portfolio)
    by = list(MessageDimension)[:5]
    with pytest.raises(KpiRequestError, match="at most 4 dimensions"):
        await current_message_kpis(
            database, portfolio, period=Period(NOW.replace(year=2024), NOW), by=by, as_of=NOW
        )
    assert await stored(database, portfolio) == before
    assert portfolio in await database.tenants_to_do("dirty_day")
