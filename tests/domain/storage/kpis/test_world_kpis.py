"""Simulated worlds against the oracle: every family, every dimension, now and as of instants of the past.

Reversals, clocks that disagree, inbound calls and direct visits, debtors with several accounts, segments by rule, facts
that come late, twice, or as something else the second time.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import pytest_asyncio
from sqlalchemy import text

from api.imports import import_folder
from domain.filters import IntFilter, StringFilter
from domain.kpis.requests import AgentDimension, MessageDimension, MessageKpiWhere, Period
from domain.kpis.templates import TemplateDimension
from domain.list_where import ChannelFilter
from domain.storage.sessions import Database
from domain.storage.tenants import change_settings
from domain.vocabulary import Channel
from tests.domain.storage.kpis.agreement import (
    compare_agents,
    compare_messages,
    compare_payment_behaviour,
    compare_portfolio,
    compare_templates,
    compare_traffic,
)
from tests.domain.storage.kpis.imported import NOW, Imported
from tests.domain.storage.kpis.troubled import troubled_world, write
from tests.oracle.agents import agent_kpis as oracle_of_agents
from tests.oracle.messages import message_kpis as oracle_of_messages
from tests.oracle.reading import Settings

Rules = list[tuple[str, dict]]

#: Every dimension in one of them.
GROUPINGS = [
    "SEGMENT CHANNEL",
    "TEMPLATE CAMPAIGN AGENT",
    "PRODUCT COUNTRY DPD_BUCKET CURRENCY",
    "HOUR WEEKDAY",
    "DAY",
]
GROUPINGS += ["WEEK", "MONTH CHANNEL"]

VIEWS = [
    ("2026-01-10T00:00+00:00", "2026-05-20T00:00+00:00", "2026-06-15T00:00+00:00"),
    ("2026-02-01T00:00+01:00", "2026-04-10T00:00+02:00", "2026-03-22T17:30+00:00"),
    ("2026-01-01T00:00+00:00", "2026-06-01T00:00+00:00", "2026-04-30T00:00+00:00"),
]


def view(instants: tuple[str, str, str]) -> tuple[Period, datetime]:
    start, end, as_of = (datetime.fromisoformat(instant) for instant in instants)
    return Period(start, end), as_of


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worlds(
    database: Database, import_data_set: Callable, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Imported, Rules]]:
    """Three worlds; the second has no segments of its own, the third comes in two halves that overlap and conflict."""
    found = {}
    for seed, preset in enumerate(("default", "no-propensities", "overseas"), start=1):
        facts = troubled_world(preset, debtors=150, seed=seed)
        folder = tmp_path_factory.mktemp(preset)
        if preset == "overseas":
            imported = await _in_halves(database, import_data_set, facts, folder)
        else:
            imported = await import_data_set(write(facts, folder / "all"))
        async with database.transaction(imported.tenant_id) as connection:
            stored = await connection.execute(text("SELECT key, rule FROM segment ORDER BY position"))
            found[preset] = (imported, [(key, rule) for key, rule in stored])
    return found


async def _in_halves(
    database: Database, import_data_set: Callable, facts: dict[str, pl.DataFrame], folder: Path
) -> Imported:
    """Import the later half of all events and payments first, then everything, some events told differently."""
    late = dict(facts)
    late["events"] = facts["events"].sort("occurred_at").tail(facts["events"].height // 2)
    late["payments"] = facts["payments"].sort("paid_at").tail(facts["payments"].height // 2)
    imported = await import_data_set(write(late, folder / "late"))
    retold = dict(facts)
    changed = late["events"].sample(40, seed=1)["reference"]
    retold["events"] = facts["events"].with_columns(
        occurred_at=pl.when(pl.col("reference").is_in(changed.implode()))
        .then(pl.col("occurred_at").dt.offset_by("-1h"))
        .otherwise(pl.col("occurred_at"))
    )
    report = await import_folder(
        database,
        imported.tenant_id,
        write(retold, folder / "retold"),
        rejects=folder / "rejects.csv",
        now=NOW,
    )
    assert {table: counts.rejected for table, counts in report.tables.items() if counts.rejected} == {
        "events": 40
    }
    return Imported(imported.tenant_id, {}, write(facts, folder / "once"))


@pytest.mark.parametrize("instants", VIEWS)
@pytest.mark.parametrize("preset", ["default", "no-propensities", "overseas"])
async def test_every_kpi_of_a_world_agrees_with_the_oracle(
    database: Database, worlds: dict[str, tuple[Imported, Rules]], preset: str, instants: tuple[str, str, str]
) -> None:
    imported, rules = worlds[preset]
    assert (
        {table: count for table, count in imported.oracle.rejected.items() if count}
        == imported.rejected
        == {}
    )
    await every_kpi_agrees(database, imported, rules, instants)


@pytest.mark.parametrize("settings", [Settings(0, 36, 20 * 24), Settings(11, 0, 0)])
async def test_every_kpi_agrees_with_the_oracle_under_other_settings(
    database: Database, owner_url: str, import_data_set: Callable, tmp_path: Path, settings: Settings
) -> None:
    """As of every instant, as if the settings had always been so: they were the usual ones when facts came in."""
    facts = troubled_world("default", debtors=100, seed=7)
    soon = pl.col("promised_at").dt.date() + pl.duration(
        days=1
    )  # so that what keeps a promise often comes later
    facts["promises"] = facts["promises"].with_columns(due_on=soon)
    folder = write(facts, tmp_path / "all")
    imported = await import_data_set(folder)
    async with database.transaction(imported.tenant_id) as connection:
        key = await connection.scalar(text("SELECT key FROM tenant"))
        rules = [
            tuple(row)
            for row in await connection.execute(text("SELECT key, rule FROM segment ORDER BY position"))
        ]
    changes = {
        "promise_grace_days": settings.grace_days,
        "click_window_days": settings.click_hours / 24,
        "open_window_days": settings.open_hours / 24,
    }
    await change_settings(owner_url, key=key, changes=changes, now=NOW)
    told = Imported(imported.tenant_id, imported.rejected, folder, settings)
    usual, (period, as_of) = imported.oracle, view(VIEWS[0])
    for family, asked in ((oracle_of_messages, {"by": []}), (oracle_of_agents, {"by": "ALL"})):
        of_period = {**asked, "as_of": as_of}
        one = family(usual, period.start, period.end, **of_period)
        assert family(told.oracle, period.start, period.end, **of_period) != one  # the settings tell
    for instants in VIEWS:
        await every_kpi_agrees(database, told, rules, instants)


async def every_kpi_agrees(
    database: Database, imported: Imported, rules: Rules, instants: tuple[str, str, str]
) -> None:
    period, as_of = view(instants)
    async with database.transaction(imported.tenant_id) as connection:
        for grouping in GROUPINGS:
            by = [MessageDimension(word) for word in grouping.split()]
            assert await compare_messages(connection, imported, period, by, as_of=as_of, rules=rules) > 1
        assert await compare_traffic(connection, imported, period, as_of=as_of) > 2
        assert await compare_portfolio(connection, imported, period, as_of=as_of) == 3
        for traits in ([], list(TemplateDimension), [TemplateDimension.TONE]):
            found = await compare_templates(database, imported, period, traits, as_of=as_of)
            assert found > bool(traits)
        assert await compare_payment_behaviour(connection, imported, period, as_of=as_of) > 8
        for dimension in AgentDimension:
            assert await compare_agents(connection, imported, period, dimension, as_of=as_of) > 0


FILTERS: list[tuple[MessageKpiWhere, Callable[[dict], bool]]] = [
    (
        MessageKpiWhere(segment=StringFilter(starts_with="EARLY")),
        lambda row: row["segment"].startswith("EARLY"),
    ),
    (
        MessageKpiWhere(days_past_due=IntFilter(gte=31, lt=61), channel=ChannelFilter(eq=Channel.SMS)),
        lambda row: 31 <= row["days_past_due"] < 61 and row["channel"] == "SMS",
    ),
    (
        MessageKpiWhere(campaign=StringFilter(eq="Spring"), agent=StringFilter(is_null=True)),
        lambda row: row["campaign"] == "Spring" and row["agent"] is None,
    ),
    (
        MessageKpiWhere(product=StringFilter(is_null=False), template=StringFilter(is_null=False)),
        lambda row: row["product"] is not None and row["template"] is not None,
    ),
]


@pytest.mark.parametrize("preset", ["default", "no-propensities", "overseas"])
async def test_filters_of_a_world_keep_what_the_oracle_keeps(
    database: Database, worlds: dict[str, tuple[Imported, Rules]], preset: str
) -> None:
    imported, rules = worlds[preset]
    period, as_of = view(VIEWS[1])
    by = [MessageDimension.COUNTRY, MessageDimension.CHANNEL]
    groups = 0
    async with database.transaction(imported.tenant_id) as connection:
        for where, keep in FILTERS:
            groups += await compare_messages(
                connection, imported, period, by, as_of=as_of, where=where, keep=keep, rules=rules
            )
    assert groups > len(FILTERS)
