"""Reads over HTTP against PostGraphile 5 on the same database, one server process each, by turns in one run.

Ours with keys, rate limits, tenant scope, row-level security, limits on documents and the log on; PostGraphile with
none of them, and without what is derived: it answers the causes (due dates, deadlines), not what follows from them.
DUNWELL_BENCH_DEBTORS (default 1,000,000) in one tenant, 10,000 in another to see how times grow.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import orjson

from api.auth import create_key
from api.callers import Caller
from api.databases import DatabaseServer, database_server, open_database
from api.graphql.compiled import CompiledReads
from api.graphql.context import Context
from api.graphql.schema import build_schema
from api.settings import Settings
from bench import peer
from bench.http_load import Load, children_of, drive, processor_time, request_bytes
from bench.kpi_serving import Serving, serving
from bench.measuring import Report
from bench.peer import Peer, postgraphile
from bench.read_rows import NOW, fill
from domain.storage.sessions import APP_ROLE, TENANT_SETTING
from domain.storage.tenants import create_tenant
from domain.vocabulary import Role
from tests.api.portfolio import operation

DEBTORS = int(os.environ.get("DUNWELL_BENCH_DEBTORS", "1000000"))
FEW = 10_000
_CONNECTIONS = 8
_ROUNDS, _ROUND_SECONDS, _WARM_REQUESTS = 7, 4.0, 1000
_CASES = 500
_PAGES = 20
_FASTER, _FLAT = 1.5, 1.5


@dataclass(frozen=True)
class Tenant:
    """A tenant of the bench."""

    id: int
    key: str
    debtors: int

    def references(self) -> list[str]:
        """Of debtors all over the portfolio."""
        return [f"D{1 + n * self.debtors // _CASES:08}" for n in range(_CASES)]


def run(report: Report) -> None:
    """Fill two tenants, then ask both servers, and the database alone, for the same."""
    peer.install()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        with database_server(Settings(home=home)) as server:
            few, many = asyncio.run(_prepare(server, report))
            settings = {"DUNWELL_RATE_LIMIT": "100000000", "DUNWELL_PROFILE": "production"}
            postgres = int(next(home.rglob("postmaster.pid")).read_text().split("\n", 1)[0])
            with serving(home, **settings) as ours, postgraphile(server.owner_url, many.id) as theirs:
                for name in ("DebtorPage", "DebtorCase"):
                    _compare(report, name, ours, theirs, many, server, postgres)
                _growth(report, ours, few, many)


async def _prepare(server: DatabaseServer, report: Report) -> list[Tenant]:
    tenants = []
    async with open_database(server) as database:
        for debtors in (FEW, DEBTORS):
            tenant_id = await create_tenant(
                server.owner_url, key=f"bench{debtors}", name="Bench", currency="EUR"
            )
            with report.timed(f"fill with {debtors:,} debtors"):
                await asyncio.to_thread(fill, server.owner_url, tenant_id, debtors)
            key = await create_key(database, tenant_id, Role.READER, now=datetime.now(UTC))
            tenants.append(Tenant(tenant_id, key, debtors))
    return tenants


def _compare(
    report: Report,
    name: str,
    ours: Serving,
    theirs: Peer,
    tenant: Tenant,
    server: DatabaseServer,
    postgres: int,
) -> None:
    asked = {
        "ours": (
            ours.port,
            ours.pid,
            [request_bytes(body, tenant.key) for body in _bodies(name, ours, tenant)],
        ),
        "PostGraphile": (
            theirs.port,
            theirs.pid,
            [request_bytes(body) for body in _peer_bodies(name, theirs, tenant)],
        ),
    }
    for port, _, requests in asked.values():
        warmed = 0
        while warmed < _WARM_REQUESTS:
            warmed += len(drive(port, requests, connections=_CONNECTIONS, seconds=2).taken)
    found: dict[str, list[Load]] = {side: [] for side in asked}
    bare = []
    for number in range(_ROUNDS):
        for side in list(asked) if number % 2 else reversed(list(asked)):
            port, pid, requests = asked[side]
            taken: dict[str, float] = {}
            groups: dict[str, Callable[[], list[int]]] = {
                "server": partial(list, [pid]),
                "PostgreSQL": partial(children_of, postgres),
            }
            with processor_time(taken, groups):
                load = drive(port, requests, connections=_CONNECTIONS, seconds=_ROUND_SECONDS)
            load.processor = taken
            found[side].append(load)
        bare.append(asyncio.run(_bare(name, server, tenant)))
    for side, loads in found.items():
        _note(report, f"{name}, {side}", loads)
    ratios = [one.rate / other.rate for one, other in zip(found["ours"], found["PostGraphile"], strict=True)]
    report.note(f"{name}: rounds, ours ÷ PostGraphile", [round(ratio, 2) for ratio in ratios])
    report.goal(f"{name}: requests/s ÷ PostGraphile's", statistics.median(ratios), at_least=_FASTER)
    report.note(
        f"{name}: processor time ÷ PostGraphile's, database included",
        statistics.median(
            sum(map(one.milliseconds, one.processor)) / sum(map(other.milliseconds, other.processor))
            for one, other in zip(found["ours"], found["PostGraphile"], strict=True)
        ),
    )
    tails = [
        one.percentile(0.99) / other.percentile(0.99)
        for one, other in zip(found["ours"], found["PostGraphile"], strict=True)
    ]
    report.goal(f"{name}: p99 ÷ PostGraphile's", statistics.median(tails), at_most=1.0)
    share = statistics.median(one.rate / alone for one, alone in zip(found["ours"], bare, strict=True))
    report.note(f"{name}: share of the same statement sent by the driver alone", share)


def _note(report: Report, what: str, loads: Sequence[Load]) -> None:
    report.note(f"{what}: requests/s", statistics.median(load.rate for load in loads))
    for group in ("server", "PostgreSQL"):
        report.note(
            f"{what}: {group}, processor ms a request",
            statistics.median(load.milliseconds(group) for load in loads),
        )
    report.note(f"{what}: p50 ms", statistics.median(load.percentile(0.5) for load in loads))
    report.note(f"{what}: p99 ms", statistics.median(load.percentile(0.99) for load in loads))
    report.note(f"{what}: bytes", loads[-1].length)


# ---------- what is asked ----------


def _bodies(name: str, ours: Serving, tenant: Tenant) -> list[bytes]:
    query = operation(name)
    if name == "DebtorCase":
        return [_body(query, {"reference": reference}) for reference in tenant.references()]
    return list(_pages(ours.port, query, {"first": 50}, "debtors", tenant.key))


def _peer_bodies(name: str, theirs: Peer, tenant: Tenant) -> list[bytes]:
    query = peer.query(name)
    if name == "DebtorCase":
        return [
            _body(query, {"tenant": tenant.id, "reference": reference}) for reference in tenant.references()
        ]
    return list(_pages(theirs.port, query, {"tenant": tenant.id, "first": 50}, "debtors"))


def _body(query: str, variables: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"query": query, "variables": variables})


def _pages(port: int, query: str, variables: Mapping[str, Any], field: str, key: str = "") -> Iterator[bytes]:
    """The first pages of a list, each after the one before."""
    after = None
    for _ in range(_PAGES):
        body = _body(query, {**variables, "after": after})
        yield body
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        answer = httpx.post(
            f"http://127.0.0.1:{port}/graphql", content=body, headers=headers, timeout=60
        ).json()
        after = answer["data"][field]["pageInfo"]["endCursor"]


# ---------- the database alone ----------


async def _bare(name: str, server: DatabaseServer, tenant: Tenant) -> float:
    """Our own statement, a second: no HTTP, no key, no transaction around it."""
    sql, values = await _statement(name, tenant)
    ends, count = time.perf_counter() + _ROUND_SECONDS, 0

    async def one_connection() -> None:
        nonlocal count
        connection = await asyncpg.connect(server.app_url, max_cacheable_statement_size=0)
        await connection.execute(
            f"SET ROLE {APP_ROLE}; SET {TENANT_SETTING} = '{tenant.id}'; "
            "SET plan_cache_mode = force_generic_plan; SET jit = off; SET timezone = 'UTC'"
        )
        while time.perf_counter() < ends:
            await connection.fetchval(sql, *values)
            count += 1
        await connection.close()

    await asyncio.gather(*(one_connection() for _ in range(_CONNECTIONS)))
    return count / _ROUND_SECONDS


async def _statement(name: str, tenant: Tenant) -> tuple[str, Sequence[object]]:
    found: list[tuple[str, Sequence[object]]] = []

    async def document(_: int, sql: str, values: Sequence[object], **__: bool) -> None:
        found.append((sql, values))

    services: Any = SimpleNamespace(database=SimpleNamespace(document=document), recommendations=None)
    context = Context(services, Caller(tenant.id, Role.READER, 1), lambda: NOW)
    variables: dict[str, Any] = (
        {"reference": tenant.references()[7]} if name == "DebtorCase" else {"first": 50}
    )
    await CompiledReads(build_schema(production=True)).answer(operation(name), variables, name, context)
    return found[0]


# ---------- growth ----------


def _growth(report: Report, ours: Serving, few: Tenant, many: Tenant) -> None:
    for name in ("Debtors", "DebtorPage", "DebtorCase"):
        requests = {
            tenant: [request_bytes(body, tenant.key) for body in _bodies(name, ours, tenant)]
            for tenant in (few, many)
        }
        ratios = []
        for _ in range(_ROUNDS):
            seconds = {
                tenant: drive(ours.port, asked, connections=1, seconds=2.0).percentile(0.5)
                for tenant, asked in requests.items()
            }
            ratios.append(seconds[many] / seconds[few])
        report.goal(
            f"{name}: p50 of {many.debtors:,} ÷ {few.debtors:,} debtors",
            statistics.median(ratios),
            at_most=_FLAT,
        )
