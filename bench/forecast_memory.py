"""How much memory a forecast takes from a database on, and how that grows with the portfolio.

Two tenants of 100,000 and 300,000 debtors (DUNWELL_BENCH_DEBTORS, and three times as many) with 20 messages each in a
year, 36 segments and five channels. What is measured is a process of its own that counts the history and forecasts 30
days by segment and channel, as the worker does; PostgreSQL's memory is not in it. Goal: drawn out in a straight line to
a million debtors it stays within 2 GiB.
"""

import asyncio
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from api.databases import DatabaseServer, database_server, open_database
from api.forecasting.counting import PART, count
from api.settings import Settings
from bench.kpi_rows import END, fill
from bench.measuring import Report
from bench.memory import peak_memory
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from ml.forecast import Dimension, forecast

DEBTORS = int(os.environ.get("DUNWELL_BENCH_DEBTORS", "100000"))
SIZES = (DEBTORS, 3 * DEBTORS)
_MESSAGES, _HORIZON, _MILLION = 20, 30, 1_000_000


@dataclass(frozen=True)
class Taken:
    """Of one portfolio: seconds of counting and of forecasting, megabytes at most, series."""

    counting: float
    forecasting: float
    megabytes: float
    series: int


def run(report: Report) -> None:
    """Fill, forecast, compare."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        with database_server(Settings(home=home)) as server:
            tenants = asyncio.run(_filled(server))
            taken = [_taken(home, tenant_id, Path(place)) for tenant_id in tenants]
    for debtors, one in zip(SIZES, taken, strict=True):
        name = f"{debtors:,} debtors, {debtors * _MESSAGES:,} messages"
        report.note(f"{name}: parts read", -(-debtors // PART))
        report.note(f"{name}: seconds to count them", one.counting)
        report.note(f"{name}: seconds to forecast", one.forecasting)
        report.note(f"{name}: series", one.series)
        report.note(f"{name}: megabytes at most", one.megabytes)
    slope = (taken[1].megabytes - taken[0].megabytes) / (SIZES[1] - SIZES[0])
    drawn_out = taken[1].megabytes + max(slope, 0.0) * (_MILLION - SIZES[1])
    report.goal("megabytes at most, drawn out to a million debtors", drawn_out, at_most=2048)


async def _filled(server: DatabaseServer) -> list[int]:
    tenants = []
    async with open_database(server):  # which brings the schema up to date
        for number, debtors in enumerate(SIZES):
            tenant_id = await create_tenant(server.owner_url, key=f"t{number}", name="Bench", currency="EUR")
            await asyncio.to_thread(
                fill, server.owner_url, tenant_id, debtors * _MESSAGES, per_debtor=_MESSAGES
            )
            tenants.append(tenant_id)
    return tenants


def _taken(home: Path, tenant_id: int, place: Path) -> Taken:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(_in_its_own_process, home, tenant_id, place).result()


def _in_its_own_process(home: Path, tenant_id: int, place: Path) -> Taken:
    return asyncio.run(_forecast(home, tenant_id, place / "parts"))


async def _forecast(home: Path, tenant_id: int, folder: Path) -> Taken:
    with database_server(Settings(home=home)) as server:
        async with open_database(server) as database:
            return await _measured(database, tenant_id, folder)


async def _measured(database: Database, tenant_id: int, folder: Path) -> Taken:
    with peak_memory([os.getpid()]) as peak:
        begun = time.perf_counter()
        tally = await count(database, tenant_id, as_of=END, folder=folder)
        counted = time.perf_counter()
        by = [Dimension.SEGMENT, Dimension.CHANNEL]
        made = await asyncio.to_thread(lambda: forecast(tally, horizon_days=_HORIZON, by=by))
        done = time.perf_counter()
    return Taken(counted - begun, done - counted, peak.megabytes[os.getpid()], len(made.series))
