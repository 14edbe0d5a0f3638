"""Whoever watches a period's KPIs is told whenever they change, whichever facts changed them, of whatever day."""

from datetime import UTC, datetime

import pytest

from domain.kpis.requests import AgentDimension, MessageDimension, Period
from domain.storage.derived import catch_up
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.rollups.watching import changed_since, seen_now
from domain.storage.sessions import Database
from tests.facts import NOW, merge_facts, row

FEBRUARY = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
EARLY = Period(FEBRUARY.start, datetime(2026, 2, 5, tzinfo=UTC))
FACTS = {
    "agents": [row("agents")],
    "debtors": [row("debtors", time_zone="Asia/Tokyo"), row("debtors", reference="D2")],
    "accounts": [
        row("accounts"),
        row("accounts", reference="A2", debtor="D2", currency="USD"),
        row("accounts", reference="A3", debtor="D2", opened_on="2026-04-01"),
    ],
    "communications": [
        row("communications", debtor="D2", account="A2"),
        row("communications", reference="LATE", channel="VOICE", sent_at="2026-02-20T10:00:00Z"),
        row("communications", reference="HEARD", direction="INBOUND"),
    ],
    "events": [
        row("events", occurred_at="2026-02-04T20:00:00Z"),
        row("events", reference="E2", communication="LATE", occurred_at="2026-02-04T20:00:00Z"),
    ],
    "promises": [
        row("promises", due_on="2026-02-27", amount="30.00"),
        row("promises", reference="R2", communication="LATE"),
        row("promises", reference="R3", communication="HEARD"),
        row("promises", reference="R4", account="A3"),
    ],
}
CHANGES = {
    "a payment keeps a promise made before": {
        "payments": [row("payments", amount="30.00", paid_at="2026-02-24T10:00:00Z")]
    },
    "a payment within 24 hours of a visit": {"payments": [row("payments", paid_at="2026-02-05T19:00:00Z")]},
    "a payment at the very end": {"payments": [row("payments", paid_at="2026-02-05T00:00:00Z")]},
    "an account that opens on a day that has begun there": {
        "debtors": [row("debtors", reference="D9", time_zone="Asia/Tokyo")],
        "accounts": [row("accounts", reference="A9", debtor="D9", opened_on="2026-02-05")],
    },
    "the agent of a later message that a promise names": {
        "communications": [FACTS["communications"][1] | {"agent": "G1"}]
    },
    "the agent of an answer that a promise names": {
        "communications": [FACTS["communications"][2] | {"agent": "G1"}]
    },
    "the channel of a message opened before it was sent": {
        "communications": [FACTS["communications"][1] | {"channel": "SMS"}]
    },
    "the agent of an account opened after its promise": {
        "accounts": [FACTS["accounts"][2] | {"agent": "G1"}]
    },
    "a rate that moves the borders of segments": {"exchange_rates": [row("exchange_rates", rate="20")]},
}


async def figures(database: Database, tenant_id: int, period: Period) -> list[object]:
    async with database.transaction(tenant_id) as connection:
        await catch_up(connection, tenant_id, now=NOW)
    asked = {"period": period, "as_of": NOW}
    async with database.snapshot(tenant_id) as connection:
        return [
            await agent_kpis(connection, tenant_id, by=AgentDimension.AGENT, **asked),
            await agent_kpis(connection, tenant_id, by=AgentDimension.ALL, **asked),
            await portfolio_kpis(connection, tenant_id, **asked),
            await traffic_kpis(connection, tenant_id, **asked),
            await message_kpis(connection, tenant_id, by=[MessageDimension.SEGMENT], **asked),
        ]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_it_is_told(database: Database, tenant_id: int, change) -> None:
    _, rejections = await merge_facts(database, tenant_id, FACTS)
    assert rejections == []
    before = await figures(database, tenant_id, EARLY)
    async with database.transaction(tenant_id) as connection:
        seen = await seen_now(connection)
    _, rejections = await merge_facts(database, tenant_id, change)
    assert rejections == []
    async with database.transaction(tenant_id) as connection:
        changed, _ = await changed_since(connection, tenant_id, period=EARLY, seen=seen)
    assert changed
    assert await figures(database, tenant_id, EARLY) != before


async def test_of_facts_long_after_the_period_nothing_is_told(database: Database, tenant_id: int) -> None:
    await merge_facts(database, tenant_id, FACTS)
    async with database.transaction(tenant_id) as connection:
        seen = await seen_now(connection)
    late = {
        "payments": [row("payments", paid_at="2026-03-03T10:00:00Z", amount="1.00")],
        "communications": [row("communications", reference="C9", sent_at="2026-03-03T10:00:00Z")],
        "accounts": [row("accounts", reference="A9", debtor="D2", opened_on="2026-03-03")],
    }
    await merge_facts(database, tenant_id, late)
    async with database.transaction(tenant_id) as connection:
        assert not (await changed_since(connection, tenant_id, period=FEBRUARY, seen=seen))[0]
