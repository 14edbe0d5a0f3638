"""The sample's KPIs: those that came with it, computed by others, and every other against the oracle."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from math import isclose
from typing import Any

import pytest

from domain.filters import IntFilter, StringFilter
from domain.kpis.messages import ReactionTimes
from domain.kpis.requests import AgentDimension, MessageDimension, MessageFigures, MessageKpiWhere, Period
from domain.kpis.templates import TemplateDimension
from domain.list_where import ChannelFilter
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from tests.domain.storage.kpis.agreement import (
    compare_agents,
    compare_messages,
    compare_payment_behaviour,
    compare_portfolio,
    compare_templates,
    compare_traffic,
)
from tests.domain.storage.kpis.imported import SAMPLE, Imported

EXPECTED = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))
PERIOD = Period(*(datetime.fromisoformat(EXPECTED["period"][end]) for end in ("from", "to")))
AS_OF = datetime.fromisoformat(EXPECTED["as_of"])

COUNTS = {
    "sent": "sent",
    "delivered": "delivered",
    "hardBounced": "hard_bounced",
    "softBounced": "soft_bounced",
    "opened": "opened",
    "machineOpened": "machine_opened",
    "clicked": "clicked",
    "landed": "landed",
    "converted": "converted",
}
TIMES = {"s2o": "sent_to_open", "o2p": "open_to_pay", "s2p": "sent_to_pay"}

#: Periods and instants of knowledge: all over, cut short by what is known, ended long before, not yet begun.
VIEWS = [
    ("2026-01-15", "2026-05-01", "2026-06-01"),
    ("2026-01-01", "2026-04-30", "2026-04-15"),
    ("2026-02-01", "2026-03-01", "2026-02-20"),
    ("2026-03-28", "2026-04-02", "2026-06-15"),
    ("2026-05-01", "2026-06-02", "2026-03-15"),
]


def view(start: str, end: str, as_of: str) -> tuple[Period, datetime]:
    first, last, known = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end, as_of))
    return Period(first, last), known


async def test_the_import_rejects_what_is_expected(sample: Imported) -> None:
    assert sample.rejected == EXPECTED["rejected"]
    assert {table: count for table, count in sample.oracle.rejected.items() if count} == EXPECTED["rejected"]


@pytest.mark.parametrize("dimension", ["channel", "segment", "day", "agent"])
async def test_message_kpis_are_those_expected(database: Database, sample: Imported, dimension: str) -> None:
    async with database.transaction(sample.tenant_id) as connection:
        rows = await message_kpis(
            connection, sample.tenant_id, period=PERIOD, by=[MessageDimension(dimension.upper())], as_of=AS_OF
        )
    found = {getattr(row.key, dimension): row for row in rows}
    expected = EXPECTED["message_kpis"][dimension]
    assert dimension == "day" or len(rows) == len(expected)
    for figures in expected:
        key = next(iter(figures.values()))
        row = found[date.fromisoformat(key) if dimension == "day" else key]
        assert {name: getattr(row, field) for name, field in COUNTS.items()} == {
            name: figures[name] for name in COUNTS
        }
        for name, field in TIMES.items():
            time = getattr(row.reaction, field)
            assert time.count == figures[name]["count"]
            for part in ("mean", "p50", "p90"):
                wanted, got = figures[name][part], getattr(time, part)
                assert wanted is got is None or isclose(got, wanted, rel_tol=1e-6)


async def test_leaving_reaction_times_out_changes_nothing_else(database: Database, sample: Imported) -> None:
    async with database.transaction(sample.tenant_id) as connection:
        ask = partial(
            message_kpis,
            connection,
            sample.tenant_id,
            period=PERIOD,
            by=[MessageDimension.SEGMENT],
            as_of=AS_OF,
        )
        whole, counts = await ask(), await ask(figures=MessageFigures(reactions=False, medians=False))
    assert [replace(row, reaction=ReactionTimes()) for row in whole] == counts
    assert all(row.reaction != ReactionTimes() for row in whole)


async def test_money_is_that_expected(database: Database, sample: Imported) -> None:
    async with database.transaction(sample.tenant_id) as connection:
        rows = await message_kpis(
            connection, sample.tenant_id, period=PERIOD, by=[MessageDimension.CHANNEL], as_of=AS_OF
        )
    found = {
        (row.key.channel, currency): (row.collected.get(currency, 0), row.cost.get(currency, 0), net)
        for row in rows
        for currency, net in row.net_collected.items()
    }
    assert len(found) == len(EXPECTED["money"])
    for figures in EXPECTED["money"]:
        collected, cost, net = found[figures["channel"], figures["currency"]]
        assert isclose(collected, figures["collected"], rel_tol=1e-9)
        assert isclose(cost, figures["cost"], rel_tol=1e-9)
        assert net == collected - cost


async def test_traffic_is_that_expected(database: Database, sample: Imported) -> None:
    names = {
        "landingViews": "landing_views",
        "visitors": "visitors",
        "paymentsStarted": "payments_started",
        "paymentsFailed": "payments_failed",
        "paymentsAbandoned": "payments_abandoned",
        "conversions": "conversions",
    }
    async with database.transaction(sample.tenant_id) as connection:
        *sources, total = await traffic_kpis(connection, sample.tenant_id, period=PERIOD, as_of=AS_OF)
    found = [{"source": row.source, **{k: getattr(row, v) for k, v in names.items()}} for row in sources]
    assert found == sorted(
        EXPECTED["traffic"], key=lambda row: [r["source"] for r in found].index(row["source"])
    )
    assert total.source is None
    assert total.landing_views == sum(row.landing_views for row in sources)
    assert total.visitors < sum(row.visitors for row in sources)


@pytest.mark.parametrize(
    "by",
    [
        "",
        "SEGMENT CHANNEL",
        "TEMPLATE CAMPAIGN AGENT",
        "PRODUCT COUNTRY DPD_BUCKET CURRENCY",
        "HOUR WEEKDAY",
        "DAY",
        "WEEK CHANNEL",
        "MONTH SEGMENT",
    ],
)
@pytest.mark.parametrize("days", VIEWS[:3])
async def test_message_kpis_agree_with_the_oracle(
    database: Database, sample: Imported, days: tuple[str, str, str], by: str
) -> None:
    period, as_of = view(*days)
    dimensions = [MessageDimension(word) for word in by.split()]
    async with database.transaction(sample.tenant_id) as connection:
        await compare_messages(connection, sample, period, dimensions, as_of=as_of)


FILTERS = [
    (
        MessageKpiWhere(segment=StringFilter(starts_with="EARLY-YOUNG")),
        lambda row: row["segment"][:11] == "EARLY-YOUNG",
    ),
    (
        MessageKpiWhere(channel=ChannelFilter(in_=(Channel.SMS, Channel.VOICE))),
        lambda row: row["channel"] in ("SMS", "VOICE"),
    ),
    (MessageKpiWhere(channel=ChannelFilter(eq=Channel.LETTER)), lambda row: row["channel"] == "LETTER"),
    (
        MessageKpiWhere(template=StringFilter(in_=("T1", "T2", "?"))),
        lambda row: row["template"] in ("T1", "T2"),
    ),
    (MessageKpiWhere(campaign=StringFilter(is_null=True)), lambda row: row["campaign"] is None),
    (MessageKpiWhere(agent=StringFilter(is_null=False)), lambda row: row["agent"] is not None),
    (MessageKpiWhere(agent=StringFilter(eq="G0000003")), lambda row: row["agent"] == "G0000003"),
    (MessageKpiWhere(product=StringFilter(eq="LOAN")), lambda row: row["product"] == "LOAN"),
    (MessageKpiWhere(country=StringFilter(eq="ES")), lambda row: row["country"] == "ES"),
    (MessageKpiWhere(days_past_due=IntFilter(gte=31, lt=61)), lambda row: 31 <= row["days_past_due"] < 61),
    (MessageKpiWhere(days_past_due=IntFilter(gt=10, lte=20)), lambda row: 10 < row["days_past_due"] <= 20),
    (
        MessageKpiWhere(country=StringFilter(in_=("DK", "US")), days_past_due=IntFilter(gte=91)),
        lambda row: row["country"] in ("DK", "US") and row["days_past_due"] >= 91,
    ),
]


@pytest.mark.parametrize(("where", "keep"), FILTERS)
async def test_filters_keep_what_the_oracle_keeps(
    database: Database, sample: Imported, where: MessageKpiWhere, keep: Callable[[dict[str, Any]], bool]
) -> None:
    by = [MessageDimension.COUNTRY, MessageDimension.CHANNEL]
    async with database.transaction(sample.tenant_id) as connection:
        assert await compare_messages(connection, sample, PERIOD, by, as_of=AS_OF, where=where, keep=keep) > 0


@pytest.mark.parametrize("days", VIEWS)
async def test_the_other_families_agree_with_the_oracle(
    database: Database, sample: Imported, days: tuple[str, str, str]
) -> None:
    period, as_of = view(*days)
    async with database.transaction(sample.tenant_id) as connection:
        await compare_traffic(connection, sample, period, as_of=as_of)
        await compare_portfolio(connection, sample, period, as_of=as_of)
        await compare_payment_behaviour(connection, sample, period, as_of=as_of)
        await compare_templates(database, sample, period, list(TemplateDimension), as_of=as_of)
        for by in AgentDimension:
            await compare_agents(connection, sample, period, by, as_of=as_of)
