"""The product's KPI rows held against the oracle's: counts and money exactly, the rest to rounding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from math import isclose
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import AgentDimension, MessageDimension, MessageKpiWhere, Period
from domain.kpis.templates import TemplateDimension
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.payment_behaviour import payment_behaviour
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.templates import template_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.sessions import Database
from tests.domain.storage.kpis.imported import Imported
from tests.oracle import agents, messages, portfolio, templates, traffic
from tests.oracle.payment_behaviour import payment_behaviour as oracle_of_payments


async def compare_messages(
    connection: AsyncConnection,
    imported: Imported,
    period: Period,
    by: Sequence[MessageDimension],
    *,
    as_of: datetime,
    where: MessageKpiWhere | None = None,
    keep: Callable[[dict[str, Any]], bool] = lambda _: True,
    rules: Sequence[tuple[str, dict[str, Any]]] = (),
) -> int:
    """The number of groups, all of which agree."""
    rows = await message_kpis(connection, imported.tenant_id, period=period, by=by, where=where, as_of=as_of)
    expected = messages.message_kpis(
        imported.oracle, period.start, period.end, by, as_of=as_of, keep=keep, rules=rules
    )
    found = {
        tuple(getattr(row.key, dimension.lower()) for dimension in by): {
            **{name: getattr(row, name) for name in _figures(expected) if hasattr(row, name)},
            **{name: asdict(time) for name, time in _times(row.reaction)},
        }
        for row in rows
    }
    assert len(found) == len(rows)
    assert_same(found, expected, "messages")
    return len(rows)


async def compare_traffic(
    connection: AsyncConnection, imported: Imported, period: Period, *, as_of: datetime
) -> int:
    rows = await traffic_kpis(connection, imported.tenant_id, period=period, as_of=as_of)
    expected = traffic.traffic_kpis(imported.oracle, period.start, period.end, as_of=as_of)
    found = {row.source: {name: getattr(row, name) for name in _figures(expected)} for row in rows}
    assert_same(found, expected, "traffic")
    return len(rows)


async def compare_agents(
    connection: AsyncConnection, imported: Imported, period: Period, by: AgentDimension, *, as_of: datetime
) -> int:
    rows = await agent_kpis(connection, imported.tenant_id, period=period, by=by, as_of=as_of)
    expected = agents.agent_kpis(imported.oracle, period.start, period.end, by=by, as_of=as_of)
    found = {
        (row.agent if by is AgentDimension.AGENT else row.team): {
            name: getattr(row, name) for name in _figures(expected)
        }
        for row in rows
    }
    assert_same(found, expected, f"agents by {by}")
    return len(rows)


async def compare_portfolio(
    connection: AsyncConnection, imported: Imported, period: Period, *, as_of: datetime
) -> int:
    rows = await portfolio_kpis(connection, imported.tenant_id, period=period, as_of=as_of)
    expected = portfolio.portfolio_kpis(imported.oracle, period.start, period.end, as_of=as_of)
    found = {
        row.currency: {
            **{name: getattr(row, name) for name in _figures(expected)},
            "aging": {band.bucket: (band.accounts, band.balance) for band in row.aging},
            "roll_rates": {(roll.from_, roll.to): (roll.accounts, roll.rate) for roll in row.roll_rates},
        }
        for row in rows
    }
    assert_same(found, expected, "portfolio")
    return len(rows)


async def compare_templates(
    database: Database,
    imported: Imported,
    period: Period,
    by: Sequence[TemplateDimension],
    *,
    as_of: datetime,
) -> int:
    rows = await template_kpis(database, imported.tenant_id, period=period, by=by, as_of=as_of)
    expected = templates.template_kpis(imported.oracle, period.start, period.end, by, as_of=as_of)
    found = {
        tuple(getattr(row.key, dimension.lower()) for dimension in by): {
            name: getattr(row, name) for name in _figures(expected)
        }
        for row in rows
    }
    assert len(found) == len(rows)
    assert_same(found, expected, "templates")
    return len(rows)


async def compare_payment_behaviour(
    connection: AsyncConnection, imported: Imported, period: Period, *, as_of: datetime
) -> int:
    rows = await payment_behaviour(connection, imported.tenant_id, period=period, as_of=as_of)
    expected = oracle_of_payments(imported.oracle, period.start, period.end, as_of=as_of)
    found = {
        (row.currency, row.bucket): {name: getattr(row, name) for name in _figures(expected)} for row in rows
    }
    assert len(found) == len(rows)
    assert_same(found, expected, "payment behaviour")
    return len(rows)


def assert_same(found: Any, expected: Any, where: str) -> None:
    """Alike all the way down; the message says where not."""
    if isinstance(expected, Mapping):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}, {key}")
    elif isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other, where)
    elif isinstance(expected, float) and found is not None:
        assert isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9), (where, found, expected)
    elif isinstance(expected, Decimal) and "per_agent" in where:
        assert isclose(found, expected, rel_tol=1e-9), (where, found, expected)
    else:
        assert found == expected, (where, found, expected)


def _figures(expected: Mapping[Any, Mapping[str, Any]]) -> list[str]:
    return list(next(iter(expected.values()), {}))


def _times(reaction: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(reaction, name)) for name in ("sent_to_open", "open_to_pay", "sent_to_pay")]
