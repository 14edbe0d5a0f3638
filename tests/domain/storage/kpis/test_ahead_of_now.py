"""Promises as known at an instant that has yet to come: payments and reversals dated before it count."""

from datetime import UTC, datetime

import pytest

from domain.kpis.requests import AgentDimension, Period
from domain.storage.kpis.agents import agent_kpis
from tests.facts import NOW, merge_facts, row

PERIOD = Period(datetime(2026, 5, 1, tzinfo=UTC), NOW)


def day(number: int) -> str:
    return f"2026-06-{number:02}T12:00:00Z"


@pytest.mark.parametrize(
    ("reversed_at", "as_of", "kept", "rate"),
    [
        ("", day(2), 0, None),
        ("", day(3), 1, 1.0),
        ("", day(9), 1, 1.0),
        (day(5), day(4), 1, 1.0),
        (day(5), day(5), 0, None),
        (day(5), day(9), 0, 0.0),
    ],
)
async def test_a_promise_is_kept_and_reopened_by_what_is_dated_later(
    database, tenant_id, reversed_at, as_of, kept, rate
):
    facts = {
        "debtors": [row("debtors")],
        "accounts": [row("accounts")],
        "payments": [row("payments", paid_at=day(3), reversed_at=reversed_at)],
        "promises": [row("promises", promised_at="2026-05-20T12:00:00Z", due_on="2026-06-04")],
    }
    await merge_facts(database, tenant_id, facts)
    async with database.transaction(tenant_id) as connection:
        (found,) = await agent_kpis(
            connection,
            tenant_id,
            period=PERIOD,
            by=AgentDimension.ALL,
            as_of=datetime.fromisoformat(as_of),
        )
    assert (found.inbound_promises, found.inbound_promises_kept, found.inbound_promises_kept_rate) == (
        1,
        kept,
        rate,
    )
