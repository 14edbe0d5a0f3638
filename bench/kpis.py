"""Message KPIs over HTTP as the app's role, against DuckDB on Parquet of the same rows.

DUNWELL_BENCH_COMMUNICATIONS (default 10,000,000) in one tenant, a tenth of them in another to see how answers grow. An
answer has at most 10,000 groups, so a year by segment, channel and day is asked for five of the 36 segments.
"""

import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
from sqlalchemy import text

from api.auth import create_key
from api.databases import DatabaseServer, database_server, open_database
from api.settings import Settings
from bench.kpi_rows import DAYS, END, export, fill
from bench.kpi_serving import PostgresMemory, Serving, serving
from bench.measuring import Report
from domain.storage.rollups.changes import collect_days, publish_days, touching_days
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Role

COMMUNICATIONS = int(os.environ.get("DUNWELL_BENCH_COMMUNICATIONS", "10000000"))
_REPEATED = 7
_LEAST_SECONDS = 1.0
_FIVE = [f"S{number:02}" for number in range(5)]

_COUNTS = "sent delivered hardBounced opened clicked landed converted openRate"
_TIMES = "reaction { sentToOpen { count p50 p90 } sentToPay { count p50 p90 } }"


@dataclass(frozen=True)
class Question:
    """What is asked of both; at_most: the goal, our time over DuckDB's."""

    name: str
    days: int
    by: tuple[str, ...]
    times: bool
    at_most: float
    five_segments: bool = False

    @property
    def query(self) -> str:
        """In GraphQL."""
        key = " ".join(word.lower() for word in self.by)
        figures = f"{_COUNTS} {_TIMES}" if self.times else _COUNTS
        return (
            "query Bench($period: PeriodInput!, $by: [MessageDimension!]!, $where: MessageKpiWhere, $asOf: DateTime) "
            "{ kpis(period: $period, asOf: $asOf) { messages(by: $by, where: $where) "
            f"{{ key {{ {key} }} {figures} }} }} }}"
        )

    def variables(self, back: int) -> dict[str, object]:
        """Of the query about a period so many days earlier."""
        until = END - timedelta(days=back)
        period = {"from": (until - timedelta(days=self.days)).isoformat(), "to": until.isoformat()}
        where = {"segment": {"in": _FIVE}} if self.five_segments else None
        as_of = (END + timedelta(days=90)).isoformat()
        return {"period": period, "by": list(self.by), "where": where, "asOf": as_of}

    def sql(self, parquet: Path, back: int) -> str:
        """In DuckDB's SQL."""
        until = END - timedelta(days=back)
        keys = ", ".join(_KEYS[word] for word in self.by)
        segments = ", ".join(f"'{name}'" for name in _FIVE)
        return (
            f"SELECT {keys}, {_COUNTED}{f', {_TIMED}' if self.times else ''} FROM '{parquet}' "
            f"WHERE sent_at >= '{until - timedelta(days=self.days):%F}' AND sent_at < '{until:%F}' "
            f"{f'AND segment IN ({segments})' if self.five_segments else ''} GROUP BY ALL ORDER BY ALL"
        )


_DELIVERED = "(opened_at IS NOT NULL OR (delivered_at IS NOT NULL AND bounced_hard_at IS NULL))"
_COUNTED = f"""
    count(*), count(*) FILTER (WHERE {_DELIVERED}),
    count(*) FILTER (WHERE bounced_hard_at IS NOT NULL AND NOT {_DELIVERED}), count(opened_at), count(clicked_at),
    count(landed_at), count(converted_at), count(opened_at) / count(*) FILTER (WHERE {_DELIVERED})"""
_TIMED = ", ".join(
    f"count({span}), quantile_disc({span}, [0.5, 0.9])"
    for span in ("epoch(opened_at - sent_at)", "epoch(converted_at - sent_at)")
)
_KEYS = {
    "SEGMENT": "segment",
    "CHANNEL": "channel",
    "TEMPLATE": "template",
    "DAY": "date_trunc('day', sent_at)",
    "MONTH": "date_trunc('month', sent_at)",
}

_DAILY = ("SEGMENT", "CHANNEL", "DAY")
_MONTHLY = ("SEGMENT", "CHANNEL", "MONTH")
QUESTIONS = (
    Question("30 days by segment, channel and day", 30, _DAILY, times=False, at_most=0.1),
    Question("365 days by channel and day of 5 segments", 365, _DAILY, False, 0.1, five_segments=True),
    Question("365 days by segment, channel and month", 365, _MONTHLY, times=False, at_most=0.1),
    Question("30 days by segment, channel and day, p50 and p90", 30, _DAILY, times=True, at_most=1),
    Question(
        "365 days by channel and day of 5 segments, p50 and p90", 365, _DAILY, True, 1, five_segments=True
    ),
    Question("365 days by segment, channel and month, p50 and p90", 365, _MONTHLY, times=True, at_most=1),
    Question("365 days by segment and template (no rollup)", 365, ("SEGMENT", "TEMPLATE"), False, 4),
)


def run(report: Report) -> None:
    """Fill two tenants, count their days, ask both sides the same."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with database_server(Settings(home=folder / "home")) as server:
            keys = asyncio.run(_prepare(server, report, folder))
            with serving(folder / "home") as served:
                _ask(report, served, server, keys, folder)


async def _prepare(server: DatabaseServer, report: Report, folder: Path) -> dict[int, str]:
    """Keys of the two tenants, by how many communications they have."""
    keys = {}
    async with open_database(server) as database:
        for rows in (COMMUNICATIONS // 10, COMMUNICATIONS):
            tenant_id = await create_tenant(
                server.owner_url, key=f"bench{rows}", name="Bench", currency="EUR"
            )
            with report.timed(f"fill with {rows:,} communications"):
                await asyncio.to_thread(fill, server.owner_url, tenant_id, rows)
            await asyncio.to_thread(export, server.owner_url, tenant_id, folder / f"{rows}.parquet")
            with PostgresMemory(server.owner_url) as memory:
                await _refresh(database, tenant_id, report, rows)
            report.note(f"refresh, PostgreSQL's peak memory, MB ({rows:,})", memory.peak)
            keys[rows] = await create_key(database, tenant_id, Role.ADMIN, now=END)
    return keys


async def _refresh(database: Database, tenant_id: int, report: Report, rows: int) -> None:
    """Count every day, one after the other as the refresher does."""
    async with database.transaction(tenant_id) as connection:
        await collect_days(connection)
        await connection.execute(
            text(touching_days("FROM communication c WHERE c.tenant_id = :tenant_id")),
            {"tenant_id": tenant_id},
        )
        await publish_days(connection, tenant_id)
        days = await dirty_days(connection, tenant_id, *EVER, most=10_000)
    seconds = []
    for day in days:
        begun = time.perf_counter()
        async with database.transaction(tenant_id) as connection:
            await refresh_day(connection, tenant_id, day)
        seconds.append(time.perf_counter() - begun)
    report.note(
        f"refresh per dirty day, seconds ({rows // DAYS:,} communications)", statistics.median(seconds)
    )


def _ask(report: Report, served: Serving, server: DatabaseServer, keys: dict[int, str], folder: Path) -> None:
    small, large = sorted(keys)
    for question in QUESTIONS:
        print(f"  {question.name}", flush=True)
        asking = {rows: partial(_answered, served, key, question) for rows, key in keys.items()}
        timed = {rows: _seconds(ask) for rows, ask in asking.items()}
        ours = {rows: seconds.repeated for rows, seconds in timed.items()}
        with PostgresMemory(server.owner_url) as memory:  # looking at it takes time of its own
            for back in range(_REPEATED, 2 * _REPEATED):
                asking[large](back)
        theirs, their_memory, groups = _in_duckdb(question, folder / f"{large}.parquet")
        report.note(f"{question.name}: groups", groups)
        report.note(f"{question.name}: seconds", ours[large])
        report.note(f"{question.name}: seconds when first asked", timed[large].first)
        report.note(f"{question.name}: seconds of periods not asked before", timed[large].fresh)
        report.note(f"{question.name}: DuckDB, seconds", theirs)
        report.note(f"{question.name}: periods not asked before ÷ DuckDB", timed[large].fresh / theirs)
        report.note(f"{question.name}: PostgreSQL's peak memory, MB", memory.peak)
        report.note(f"{question.name}: DuckDB's peak memory, MB", their_memory)
        report.note(f"{question.name}: {large:,} ÷ {small:,} communications", ours[large] / ours[small])
        report.goal(f"{question.name} ÷ DuckDB", ours[large] / theirs, at_most=question.at_most)
    report.note("the server's peak memory, MB", served.peak_memory())


def _answered(served: Serving, key: str, question: Question, back: int) -> None:
    served.ask(key, question.query, question.variables(back))


class Seconds(NamedTuple):
    """Of answers about periods a day earlier each.

    first: of all; fresh: the median of the others when first asked, most of whose days were read before; repeated: the
    median of all of them, asked again.
    """

    first: float
    fresh: float
    repeated: float


def _seconds(ask: Callable[[int], object]) -> Seconds:
    """For a second at least: a few answers of milliseconds would be the luck of the moment."""
    first, *others = [_taken(ask, back) for back in range(_REPEATED)]
    taken: list[float] = []
    while sum(taken) < _LEAST_SECONDS:
        taken += [_taken(ask, back) for back in range(_REPEATED)]
    return Seconds(first, statistics.median(others), statistics.median(taken))


def _taken(ask: Callable[[int], object], back: int) -> float:
    begun = time.perf_counter()
    ask(back)
    return time.perf_counter() - begun


def _in_duckdb(question: Question, parquet: Path) -> tuple[float, float, int]:
    """(median seconds, peak memory in MB, groups), in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_duckdb, (question, parquet))


def _duckdb(question: Question, parquet: Path) -> tuple[float, float, int]:
    connection = duckdb.connect()
    seconds = _seconds(lambda back: connection.execute(question.sql(parquet, back)).fetchall())
    groups = len(connection.execute(question.sql(parquet, 0)).fetchall())
    return seconds.repeated, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, groups
