"""Bulk ingest of a million events into a portfolio that is there, against bare COPY of the same file.

Both read one CSV file and write the same rows under the same key, in one run on one server. Bare COPY checks nothing;
ingest is the way `dunwell import` takes, as the app's role: every cell read, references resolved, conflicts refused,
the funnels of communications and the attribution of payments brought up to date. Goal: at least 0.4 of COPY's speed.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
from numpy.random import Generator
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.databases import DatabaseServer, database_server, open_database
from api.imports import import_folder
from api.imports.csv_table import CsvTable
from api.settings import Settings
from bench.measuring import Report
from bench.memory import peak_memory
from domain.import_format import Chunk
from domain.storage.ingest import merge
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from ml.arrays import Floats, Ints

DEBTORS, COMMUNICATIONS, PAYMENTS, EVENTS = 50_000, 400_000, 30_000, 1_000_000
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
        events = folder / "events.csv"
        write_events(events, random)
        with database_server(Settings(home=folder / "home")) as server:
            asyncio.run(_compare(report, server, folder / "portfolio", events))


async def _compare(report: Report, server: DatabaseServer, portfolio: Path, events: Path) -> None:
    """COPY before and after ingest, so that neither gains by its turn."""
    async with open_database(server) as database:
        tenant_id = await create_tenant(server.owner_url, key="bench", name="Bench", currency="EUR")
        with report.timed("portfolio"):
            await import_folder(database, tenant_id, portfolio, rejects=portfolio / "rejects.csv", now=NOW)
        before = _copy(server.owner_url, events)
        seconds = await _ingest(report, database, tenant_id, events)
        after = _copy(server.owner_url, events)
    report.note("copy_seconds", [round(before, 2), round(after, 2)])
    report.note("ingest_seconds", round(seconds, 2))
    report.note("events_per_second", round(EVENTS / seconds))
    report.goal("ingest ÷ bare COPY, speed", (before + after) / 2 / seconds, at_least=0.4)


async def _ingest(report: Report, database: Database, tenant_id: int, events: Path) -> float:
    async with database.transaction(tenant_id) as connection:
        backend = await connection.scalar(text("SELECT pg_backend_pid()"))
        with peak_memory([os.getpid(), backend]) as peak:
            begun = time.perf_counter()
            merged = await merge(connection, tenant_id, {"events": _chunks(events)}, now=NOW)
            await connection.commit()
            seconds = time.perf_counter() - begun
    assert merged.tables["events"].accepted == EVENTS, merged
    report.note("peak_megabytes_ingest", round(peak.megabytes[os.getpid()]))
    report.note("peak_megabytes_its_backend", round(peak.megabytes[backend]))
    return seconds


def _chunks(events: Path) -> Iterator[Chunk]:
    for _, chunk in CsvTable(events).chunks():
        yield chunk


def _copy(owner_url: str, events: Path) -> float:
    """Seconds to COPY the file into an empty table with the same key."""
    url = make_url(owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
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


def write_events(path: Path, random: Generator) -> None:
    """What followed the communications, two or three events each."""
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
    ).select(_COLUMNS.split(", ")).write_csv(path)


def _owner(communications: Ints) -> Ints:
    """Whose a communication is: any debtor's, but always the same one's."""
    return (communications * 2_654_435_761) % DEBTORS


def _keys(letter: str, numbers: Ints) -> list[str]:
    return [f"{letter}{number:08d}" for number in numbers]


def _instants(days: Floats) -> pl.Series:
    """Days since `BEGUN` as instants with an offset."""
    microseconds = (days * 86_400).astype(np.int64) * 1_000_000 + int(BEGUN.timestamp()) * 1_000_000
    return pl.Series(microseconds).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
