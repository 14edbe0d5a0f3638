"""Recommendations of all segments and the KPIs of a month, over HTTP, held against a page of debtors in the same run.

Keys, tenant scope, row-level security, limits and the log on, one server process, the embedded PostgreSQL. The three
are asked by turns, each request with other variables: pages one after the other, other instants, other segments, other
months, over and over; how long each takes the first time is told besides. DUNWELL_BENCH_DEBTORS (default 1,000,000) in
all, of whom some thousands have facts to learn from.
"""

import asyncio
import os
import random
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg

from api.auth import create_key
from api.databases import DatabaseServer, database_server, open_database
from api.imports import import_folder
from api.settings import Settings
from api.training.learner import ModelLearner
from api.training.signing import signing_key
from bench.http_load import Load, drive, request_bytes
from bench.kpi_serving import Serving, serving
from bench.measuring import Report
from domain.storage import models, training_runs
from domain.storage.derived import catch_up
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Promotion, Role
from ml.simulator import simulate, write
from tests.api.portfolio import operation

DEBTORS = int(os.environ.get("DUNWELL_BENCH_DEBTORS", "1000000"))
SIMULATED = 2_000
SEED = 7
END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
_ROUNDS, _ROUND_SECONDS = 9, 1.5
_ASKED, _FIRST = 200, 40
_CLIENTS = (1, 4)

#: Debtors with the place and the segment of those who were learned from, as many times as it takes; after all of those
#: in the order of references, so that pages show debtors with facts.
_MORE = """
    INSERT INTO debtor (tenant_id, id, reference, name, name_key, country, region, language, time_zone, segment,
                        segment_key, oldest_due_on, last_contacted_at, state_until)
    SELECT tenant_id, 10000000 + row_number() OVER (), 'Z' || reference || '-' || copy, name, name_key, country, region,
           language, time_zone, segment, segment_key, oldest_due_on, last_contacted_at, state_until
    FROM debtor, generate_series(1, %(copies)s) copy WHERE tenant_id = %(tenant)s ORDER BY copy, id LIMIT %(more)s
"""


@dataclass(frozen=True)
class Portfolio:
    """What is asked about."""

    key: str
    segments: Sequence[str]


def run(report: Report) -> None:
    """Make the portfolio, warm all three, then ask them by turns."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        settings = Settings(home=home)
        with database_server(settings) as server:
            portfolio = asyncio.run(_prepare(server, settings, Path(place), report))
            with serving(home, DUNWELL_RATE_LIMIT="100000000", DUNWELL_PROFILE="production") as ours:
                compare(report, ours, portfolio)


async def _prepare(server: DatabaseServer, settings: Settings, place: Path, report: Report) -> Portfolio:
    async with open_database(server) as database:
        tenant_id = await create_tenant(server.owner_url, key="bench", name="Bench", currency="EUR")
        with report.timed(f"simulate, import and learn from {SIMULATED:,} debtors"):
            await _learn(database, tenant_id, settings, place)
        async with database.transaction(tenant_id) as connection:
            days = await dirty_days(connection, tenant_id, *EVER, most=10_000)
        for day in days:
            async with database.transaction(tenant_id) as connection:
                await refresh_day(connection, tenant_id, day)
        async with database.transaction(tenant_id) as connection:  # what became due since the last fact
            await catch_up(connection, tenant_id, now=datetime.now(UTC))
        key = await create_key(database, tenant_id, Role.READER, now=datetime.now(UTC))
    with psycopg.connect(server.owner_url, autocommit=True) as connection:
        values = {
            "tenant": tenant_id,
            "copies": 1 + DEBTORS // SIMULATED,
            "more": max(0, DEBTORS - SIMULATED),
        }
        connection.execute(_MORE, values)
        connection.execute("VACUUM (ANALYZE)")
        rows = connection.execute(
            "SELECT DISTINCT segment_key FROM debtor WHERE tenant_id = %s ORDER BY 1", [tenant_id]
        ).fetchall()
    return Portfolio(key, [row[0] for row in rows])


async def _learn(database: Database, tenant_id: int, settings: Settings, place: Path) -> None:
    """A simulated world imported, and a champion learned from it."""
    write(simulate(SIMULATED, seed=SEED, end=END), place / "world")
    await import_folder(database, tenant_id, place / "world", rejects=place / "rejects.csv", now=NOW)
    learner = ModelLearner(signing_key(settings))
    await learner.export(database, tenant_id, as_of=NOW, folder=place / "history")
    async with database.transaction(tenant_id) as connection:
        run, _ = await training_runs.start_or_join_run(
            connection, tenant_id, as_of=NOW, promote=Promotion.AUTO, now=NOW
        )
    trained = await asyncio.to_thread(
        learner.learn,
        place / "history",
        as_of=NOW,
        champion=None,
        now=NOW,
        place=models.place_of(tenant_id, run.id),
        progress=lambda *_: None,
    )
    async with database.transaction(tenant_id) as connection:
        version_id = await models.store_version(connection, tenant_id, run.id, trained)
        await training_runs.succeed_run(connection, tenant_id, run.id, now=NOW)
        await models.promote(connection, tenant_id, version_id, now=NOW)


def compare(report: Report, ours: Serving, portfolio: Portfolio) -> None:
    """The median of rounds, each of them all three by turns."""
    asked = {
        name: [request_bytes(orjson.dumps(body), portfolio.key) for body in bodies]
        for name, bodies in questions(ours, portfolio).items()
    }
    report.note("segments", len(portfolio.segments))
    for name, requests in asked.items():
        first = [
            drive(ours.port, [each], connections=1, seconds=0).percentile(0.5)
            for each in list(dict.fromkeys(requests))[:_FIRST]
        ]
        report.note(f"{name}, asked for the first time: p50 ms", statistics.median(first))
    # Windows that nobody asked for before keep a thread busy for longer than a round, so not by turns with the others.
    within = asked.pop(WITHIN)
    report.note(f"{WITHIN}: p50 ms", drive(ours.port, within, connections=1, seconds=4).percentile(0.5))
    for requests in asked.values():
        drive(ours.port, requests, connections=1, seconds=4)
    for clients in _CLIENTS:
        found: dict[str, list[Load]] = {name: [] for name in asked}
        for number in range(_ROUNDS):
            for name in list(asked) if number % 2 else reversed(list(asked)):
                load = drive(ours.port, asked[name], connections=clients, seconds=_ROUND_SECONDS)
                found[name].append(load)
        _tell(report, clients, found)


def _tell(report: Report, clients: int, found: Mapping[str, Sequence[Load]]) -> None:
    of = f"{clients} client{'s' if clients > 1 else ''}"
    for name, loads in found.items():
        report.note(f"{name}, {of}: p50 ms", statistics.median(load.percentile(0.5) for load in loads))
        report.note(f"{name}, {of}: p99 ms", statistics.median(load.percentile(0.99) for load in loads))
        report.note(f"{name}, {of}: bytes", loads[-1].length)
    pages = found[PAGE]
    for name, loads in found.items():
        ratios = [one.percentile(0.5) / page.percentile(0.5) for one, page in zip(loads, pages, strict=True)]
        if name != PAGE:
            report.goal(f"{name}, {of}: p50 ÷ {PAGE}'s", statistics.median(ratios), at_most=1.0)


PAGE = "DebtorPage"
#: No goal: each segment is decided anew for the hours that a window leaves, where nobody asked for it before.
WITHIN = "SegmentRecommendations within a window"


def questions(ours: Serving, portfolio: Portfolio) -> dict[str, list[dict[str, Any]]]:
    """Bodies of requests by what is asked, each with variables of its own."""
    luck = random.Random(SEED)
    advice = operation("SegmentRecommendations")
    kpis = operation("MessageKpis")
    by = ["SEGMENT", "CHANNEL"]
    return {
        PAGE: _pages(ours, portfolio),
        "SegmentRecommendations": [
            {"query": advice, "variables": {"asOf": _instant(luck), "segments": _some(luck, portfolio)}}
            for _ in range(_ASKED)
        ],
        WITHIN: [
            {"query": advice, "variables": {"asOf": _instant(luck), "within": _window(luck)}}
            for _ in range(_ASKED)
        ],
        "KPIs of 30 days by segment and channel, counts and rates": [
            {"query": _COUNTS, "variables": {"period": _month(luck), "by": by}} for _ in range(_ASKED)
        ],
        "KPIs of 30 days by segment and channel, with money": [
            {"query": _MONEY, "variables": {"period": _month(luck), "by": by}} for _ in range(_ASKED)
        ],
        "KPIs of 30 days by segment and channel, all of MessageKpis": [
            {"query": kpis, "variables": {"period": _month(luck), "by": by}} for _ in range(_ASKED)
        ],
    }


_ASK = "query Month($period: PeriodInput!, $by: [MessageDimension!]!) { kpis(period: $period) { asOf messages(by: $by) "
_RATES = (
    "deliveryRate bounceRate openRate clickRate clickToOpenRate landingRate conversionRate unsubscribeRate"
)
_COUNTED = "sent delivered hardBounced softBounced opened machineOpened clicked landed converted unsubscribed"
_PAID = "collected { amount currency } cost { amount currency } netCollected { amount currency }"
_COUNTS = f"{_ASK} {{ key {{ segment channel }} {_COUNTED} {_RATES} }} }} }}"
_MONEY = f"{_ASK} {{ key {{ segment channel }} {_COUNTED} {_RATES} {_PAID} }} }} }}"


def _pages(ours: Serving, portfolio: Portfolio) -> list[dict[str, Any]]:
    after, bodies = None, []
    for _ in range(20):
        query, variables = operation(PAGE), {"first": 50, "after": after}
        bodies.append({"query": query, "variables": variables})
        answer = orjson.loads(ours.ask(portfolio.key, query, variables))
        after = answer["data"]["debtors"]["pageInfo"]["endCursor"]
    return bodies


def _instant(luck: random.Random) -> str:
    """Some instant of the month after the model was trained."""
    return (NOW + timedelta(seconds=luck.randrange(30 * 86_400))).isoformat()


def _some(luck: random.Random, portfolio: Portfolio) -> list[str]:
    """All segments in any order, so that each answer holds as much."""
    return luck.sample(portfolio.segments, len(portfolio.segments))


def _window(luck: random.Random) -> dict[str, str]:
    start = NOW + timedelta(hours=luck.randrange(30 * 24))
    return {"from": start.isoformat(), "to": (start + timedelta(hours=luck.randrange(6, 120))).isoformat()}


def _month(luck: random.Random) -> dict[str, str]:
    """30 days that begin at any midnight of the last months."""
    start = NOW - timedelta(days=30 + luck.randrange(120))
    return {"from": start.isoformat(), "to": (start + timedelta(days=30)).isoformat()}
