"""How long the answer to a forecast takes over HTTP, held against a page of 50 debtors with what a case list shows."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import orjson

from api.auth import create_key
from api.databases import database_server, open_database
from api.settings import Settings
from bench.http_load import drive, request_bytes
from bench.kpi_serving import Serving, serving
from bench.measuring import Report
from domain.vocabulary import Role
from ml.simulator import DEFAULT, simulate, write
from tests.api.portfolio import operation

DEBTORS, SEED, HORIZON = 3_000, 3, 30
_CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "VOICE")
_END = date(2026, 5, 1)
_AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
_ROUNDS, _ROUND_SECONDS, _PAGES = 7, 2.0, 10
_FORECASTS = {"30 days in total": [], "30 days × segments × channels": ["SEGMENT", "CHANNEL"]}
_FORECAST = """query ($days: Int!, $by: [ForecastDimension!], $asOf: DateTime) {
  kpiForecast(horizonDays: $days, policy: CURRENT, by: $by, asOf: $asOf) {
    series { kpi unit key { segment channel currency } points { day p05 p50 p95 } total { p05 p50 p95 } }
    notes { code message }
    backtest { kpi coverage pinballLoss crps days } } }"""


def time_answer(report: Report) -> None:
    """Import, learn, serve; ask by turns for pages and for forecasts that were made before (the first answer apart).
    Neither the size of the answer nor that of a page depends on how many debtors there are.
    """
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        write(simulate(DEBTORS, SEED, _END, replace(DEFAULT, channels=_CHANNELS)), Path(place) / "world")
        _dunwell(home, "tenant", "create", "bench", "--name", "Bench")
        _dunwell(home, "import", Path(place) / "world", "--tenant", "bench", "--strict")
        _dunwell(home, "train", "--tenant", "bench", "--as-of", _AS_OF.isoformat())
        key = asyncio.run(_reader(home))
        with serving(home, DUNWELL_RATE_LIMIT="100000000", DUNWELL_PROFILE="production") as served:
            _compare(report, served, key)


def _dunwell(home: Path, *arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        cwd=home.parent,
        env={**os.environ, "DUNWELL_HOME": str(home), "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.DEVNULL,
        check=True,
    )


async def _reader(home: Path) -> str:
    """A key that may read."""
    with database_server(Settings(home=home)) as server:
        async with open_database(server) as database:
            tenant_id = await database.tenant_id("bench")
            assert tenant_id is not None
            return await create_key(database, tenant_id, Role.READER, now=datetime.now(UTC))


def _compare(report: Report, served: Serving, key: str) -> None:
    requests = {"page": [request_bytes(body, key) for body in _pages(served, key)]}
    for name, by in _FORECASTS.items():
        asked = {"days": HORIZON, "by": by, "asOf": _AS_OF.isoformat()}
        begun = time.perf_counter()
        answer = served.ask(key, _FORECAST, asked)
        report.note(f"over HTTP, {name}: seconds until the first answer", time.perf_counter() - begun)
        report.note(f"over HTTP, {name}: series", len(orjson.loads(answer)["data"]["kpiForecast"]["series"]))
        requests[name] = [request_bytes(orjson.dumps({"query": _FORECAST, "variables": asked}), key)]
    for one in requests.values():
        drive(served.port, one, connections=1, seconds=_ROUND_SECONDS)
    found: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(_ROUNDS):
        for name in list(requests) if number % 2 else reversed(list(requests)):
            load = drive(served.port, requests[name], connections=1, seconds=_ROUND_SECONDS)
            found[name].append(load.percentile(0.5))
    for name, taken in found.items():
        report.note(f"over HTTP, {name}: p50 ms", statistics.median(taken))
    for name in _FORECASTS:
        ratios = [one / page for one, page in zip(found[name], found["page"], strict=True)]
        report.goal(f"over HTTP, {name} ÷ a page of 50 debtors", statistics.median(ratios), at_most=10)


def _pages(served: Serving, key: str) -> list[bytes]:
    """The first pages of debtors, each after the one before."""
    query, after, bodies = operation("DebtorPage"), None, []
    for _ in range(_PAGES):
        variables = {"first": 50, "after": after}
        bodies.append(orjson.dumps({"query": query, "variables": variables}))
        page = orjson.loads(served.ask(key, query, variables))["data"]["debtors"]
        assert len(page["edges"]) == 50
        after = page["pageInfo"]["endCursor"]
    return bodies
