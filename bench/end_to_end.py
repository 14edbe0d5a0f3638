"""A portfolio of 20,000 debtors from its files to a recommendation for each, by the commands that people use.

Goal: import, train and recommend in under five minutes on two cores; the recommended actions are held against the
simulator's hidden truth.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from api.answers import Action
from api.databases import database_server
from api.settings import Settings
from api.wiring import open_services
from bench.measuring import Report
from domain.kpis.messages import Weekday
from ml.simulator import CHANNELS, Truth, read_truth

DEBTORS = 20_000
SEED = 11
END = date(2026, 5, 1)
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


def run(report: Report) -> None:
    """Time the commands and value what they recommend."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        world = folder / "world"
        as_of = AS_OF.isoformat()

        def dunwell(*arguments: str | Path) -> None:
            subprocess.run(
                [sys.executable, "-m", "api.cli", *map(str, arguments)],
                cwd=folder,
                env={**os.environ, "DUNWELL_HOME": str(folder / "home"), "PYTHONPATH": str(Path.cwd())},
                stdout=subprocess.DEVNULL,
                check=True,
            )

        report.note("debtors", DEBTORS)
        dunwell("simulate", world, "--debtors", str(DEBTORS), "--seed", str(SEED), "--end", END.isoformat())
        dunwell("tenant", "create", "bench", "--name", "Bench")
        with report.timed("import"):
            dunwell("import", world, "--tenant", "bench", "--strict")
        with report.timed("train"):
            dunwell("train", "--tenant", "bench", "--as-of", as_of)
        out = folder / "recommended.parquet"
        with report.timed("recommend"):
            dunwell("recommend", "--tenant", "bench", "--as-of", as_of, "--out", out)
        advice, truth = pl.read_parquet(out), read_truth(world)
        by_segment = asyncio.run(_of_segments(folder / "home"))
    _value(report, advice, by_segment, truth)
    total = sum(float(str(report.figures[f"{step}_seconds"])) for step in ("import", "train", "recommend"))
    report.goal("import + train + recommend, seconds", total, at_most=300)


async def _of_segments(home: Path) -> dict[str, Action | None]:
    """What is recommended for each segment."""
    settings = Settings(home=home)
    with database_server(settings) as server:
        async with open_services(server, settings) as services:
            tenant_id = await services.database.tenant_id("bench")
            assert tenant_id is not None
            found = await services.recommendations.for_segments(
                tenant_id, segments=None, within=None, channels=None, as_of=AS_OF, now=AS_OF
            )
    return {each.segment.key: each.advice.lasting.best for each in found}


def _value(report: Report, advice: pl.DataFrame, by_segment: dict[str, Action | None], truth: Truth) -> None:
    """True net money of what is recommended, per segment and per debtor, against the best fixed action's."""
    everyone = advice["debtor"].to_list()
    lawful = [slot for slot in range(168) if 8 <= slot % 24 < 21]
    fixed = max(
        float(np.sum(truth.value_of(everyone, channel, slot))) for channel in CHANNELS for slot in lawful
    )
    segments = 0.0
    for (segment,), group in advice.group_by("segment"):
        best = by_segment.get(str(segment))
        if best is not None:
            slot = list(Weekday).index(best.weekday) * 24 + best.hour
            segments += float(np.sum(truth.value_of(group["debtor"].to_list(), best.channel.value, slot)))
    contacted = advice.filter(pl.col("channel").is_not_null())
    debtors = 0.0
    for (channel, weekday, hour), group in contacted.group_by("channel", "weekday", "hour"):
        slot = list(Weekday).index(Weekday(str(weekday))) * 24 + int(str(hour))
        debtors += float(np.sum(truth.value_of(group["debtor"].to_list(), str(channel), slot)))
    report.note("contacted_share", contacted.height / max(advice.height, 1))
    report.note("per debtor ÷ best fixed action, true value", debtors / fixed)
    report.goal("per segment ÷ best fixed action, true value", segments / fixed, at_least=1.0)
