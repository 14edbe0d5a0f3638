"""Bulk ingest of a million events into a portfolio that is there, against bare COPY of the same file.

Both read one CSV file and write the same rows under the same key, durably, on one server, in turns; each round has a
copy of the portfolio for itself. Bare COPY checks nothing; ingest is `dunwell import` of a folder with that file: every
cell read, references resolved, conflicts refused, the funnels of communications and the attribution of payments brought
up to date. Goal: at least 0.4 of COPY's speed, in the middle round.
"""

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import psycopg
from numpy.random import Generator
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.databases import DatabaseServer, database_server, open_database
from api.imports import import_folder
from api.imports.parts import PARTS
from api.settings import Settings
from bench.measuring import Report
from bench.memory import peak_memory
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from ml.arrays import Floats, Ints

DEBTORS, COMMUNICATIONS, PAYMENTS, EVENTS = 50_000, 400_000, 30_000, 1_000_000
ROUNDS = 3
BEGUN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
SEED = 5

_COLUMNS = "reference, debtor, communication, kind, occurred_at, automated"
_KINDS = {
    "DELIVERED": 0.4,
    "OPENED": 0.28,
    "CLICKED": 0.12,
    "LANDED": 0.08,
    "PAYMENT_STARTED": 0.04,
    "REPLIED": 0.03,
    "BOUNCED_HARD": 0.03,
    "UNSUBSCRIBED": 0.02,
}
_BARE_TABLE = """
    CREATE TABLE bare_event (
        tenant_id integer NOT NULL DEFAULT 1, reference text COLLATE "C" NOT NULL, debtor text COLLATE "C" NOT NULL,
        communication text COLLATE "C", kind text COLLATE "C" NOT NULL, occurred_at timestamptz NOT NULL,
        automated boolean NOT NULL, PRIMARY KEY (tenant_id, reference)
    )
"""


def run(report: Report) -> None:
    """Ingest and copy the same events, which come in the order of time, as a provider lists them."""
    with tempfile.TemporaryDirectory() as place:
        folder, random = Path(place), np.random.default_rng(SEED)
        write_portfolio(folder / "portfolio", random)
        write_events(folder / "facts", random)
        with database_server(Settings(home=folder / "home")) as server:
            with report.timed("portfolio"):
                tenant_id = asyncio.run(_import_portfolio(server, folder / "portfolio"))
            rounds = [_round(report, server, tenant_id, folder / "facts") for _ in range(ROUNDS)]
    for name, seconds in zip(("copy_seconds", "ingest_seconds"), zip(*rounds, strict=True), strict=True):
        report.note(name, [round(one, 2) for one in seconds])
    report.note("events_per_second", round(EVENTS / median(ingest for _, ingest in rounds)))
    report.goal("ingest ÷ bare COPY, speed", median(copy / ingest for copy, ingest in rounds), at_least=0.4)


async def _import_portfolio(server: DatabaseServer, portfolio: Path) -> int:
    async with open_database(server) as database:
        tenant_id = await create_tenant(server.owner_url, key="bench", name="Bench", currency="EUR")
        await import_folder(database, tenant_id, portfolio, rejects=portfolio / "rejects.csv", now=NOW)
    return tenant_id


def _round(report: Report, server: DatabaseServer, tenant_id: int, facts: Path) -> tuple[float, float]:
    """Seconds of COPY, the mean of one before and one after, and of ingest, in a copy of the database."""
    whole = make_url(server.owner_url)
    with _plain_connection(
        whole.set(database="postgres").render_as_string(hide_password=False)
    ) as connection:
        connection.execute("DROP DATABASE IF EXISTS round WITH (FORCE)")
        connection.execute(f'CREATE DATABASE round TEMPLATE "{whole.database}"')
    owner_url, app_url = (
        make_url(url).set(database="round").render_as_string(hide_password=False)
        for url in (server.owner_url, server.app_url)
    )
    before = _copy(owner_url, facts / "events.csv")
    seconds = asyncio.run(_ingest(report, app_url, tenant_id, facts))
    return (before + _copy(owner_url, facts / "events.csv")) / 2, seconds


async def _ingest(report: Report, app_url: str, tenant_id: int, facts: Path) -> float:
    database = Database(app_url)
    pids = [os.getpid(), *await _backends(database, tenant_id, PARTS.writers)]
    with peak_memory(pids) as peak:
        begun = time.perf_counter()
        imported = await import_folder(database, tenant_id, facts, rejects=facts / "rejects.csv", now=NOW)
        seconds = time.perf_counter() - begun
    await database.close()
    assert imported.tables["events"].accepted == EVENTS, imported
    own, *backends = (round(peak.megabytes[pid]) for pid in pids)
    report.note("peak_megabytes_ingest", own)
    report.note("peak_megabytes_its_backends", backends)
    return seconds


async def _backends(database: Database, tenant_id: int, count: int) -> list[int]:
    """The processes behind the pool's first connections, which are the next to be used."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(database.transaction(tenant_id)) for _ in range(count)]
        return [int(await one.scalar(text("SELECT pg_backend_pid()"))) for one in opened]


def _plain_connection(url: str) -> psycopg.Connection[Any]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _copy(owner_url: str, events: Path) -> float:
    """Seconds to COPY the file into an empty table with the same key."""
    with _plain_connection(owner_url) as connection:
        connection.execute("DROP TABLE IF EXISTS bare_event")
        connection.execute(_BARE_TABLE)
        begun = time.perf_counter()
        into = f"COPY bare_event ({_COLUMNS}) FROM STDIN (FORMAT csv, HEADER true)"
        with connection.cursor().copy(into) as copy, events.open("rb") as file:
            while block := file.read(1 << 16):
                copy.write(block)
        return time.perf_counter() - begun


def write_portfolio(folder: Path, random: Generator) -> None:
    """Debtors with an account each, what was sent to them since `BEGUN`, and what some paid."""
    folder.mkdir()
    debtors = np.arange(DEBTORS)
    pl.DataFrame(
        {"reference": _keys("D", debtors), "name": _keys("Debtor ", debtors), "country": ["ES"] * DEBTORS}
    ).write_csv(folder / "debtors.csv")
    pl.DataFrame(
        {
            "reference": _keys("A", debtors),
            "debtor": _keys("D", debtors),
            "product": np.array(["CARD", "LOAN", "PHONE"])[debtors % 3].tolist(),
            "currency": ["EUR"] * DEBTORS,
            "principal": random.integers(50, 5000, DEBTORS).tolist(),
            "opened_on": ["2025-06-01"] * DEBTORS,
            "due_on": ["2025-12-01"] * DEBTORS,
        }
    ).write_csv(folder / "accounts.csv")
    pl.DataFrame(
        {
            "reference": _keys("C", np.arange(COMMUNICATIONS)),
            "debtor": _keys("D", _owner(np.arange(COMMUNICATIONS))),
            "channel": random.choice(["EMAIL", "SMS", "WHATSAPP"], COMMUNICATIONS).tolist(),
            "direction": ["OUTBOUND"] * COMMUNICATIONS,
            "sent_at": _instants(np.sort(random.uniform(0, 140, COMMUNICATIONS))),
        }
    ).write_csv(folder / "communications.csv")
    pl.DataFrame(
        {
            "reference": _keys("P", np.arange(PAYMENTS)),
            "account": _keys("A", random.integers(0, DEBTORS, PAYMENTS)),
            "amount": random.integers(5, 50, PAYMENTS).tolist(),
            "currency": ["EUR"] * PAYMENTS,
            "paid_at": _instants(np.sort(random.uniform(0, 150, PAYMENTS))),
        }
    ).write_csv(folder / "payments.csv")


def write_events(folder: Path, random: Generator) -> None:
    """What followed the communications, two or three events each; nobody and no account is new."""
    folder.mkdir()
    (folder / "debtors.csv").write_text("reference,name,country\n")
    (folder / "accounts.csv").write_text("reference,debtor,product,currency,principal,opened_on,due_on\n")
    communications = np.sort(random.integers(0, COMMUNICATIONS, EVENTS))
    pl.DataFrame(
        {
            "reference": _keys("E", np.arange(EVENTS)),
            "debtor": _keys("D", _owner(communications)),
            "communication": _keys("C", communications),
            "kind": random.choice(list(_KINDS), EVENTS, p=list(_KINDS.values())).tolist(),
            "occurred_at": _instants(communications * (140 / COMMUNICATIONS) + random.uniform(0, 8, EVENTS)),
            "automated": random.choice(["true", "false"], EVENTS, p=[0.05, 0.95]).tolist(),
        }
    ).select(_COLUMNS.split(", ")).write_csv(folder / "events.csv")


def _owner(communications: Ints) -> Ints:
    """Whose a communication is: any debtor's, but always the same one's."""
    return (communications * 2_654_435_761) % DEBTORS


def _keys(letter: str, numbers: Ints) -> list[str]:
    return [f"{letter}{number:08d}" for number in numbers]


def _instants(days: Floats) -> pl.Series:
    """Days since `BEGUN` as instants with an offset."""
    microseconds = (days * 86_400).astype(np.int64) * 1_000_000 + int(BEGUN.timestamp()) * 1_000_000
    return pl.Series(microseconds).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
