"""A portfolio of 20,000 debtors from its files to a recommendation for each, by the commands that people use.

Goal: import, train and recommend in under five minutes on two cores; the recommended actions are held against the
simulator's hidden truth.
"""

import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from bench.measuring import Report
from ml.simulator import CHANNELS, Truth, read_truth

DEBTORS = 20_000
SEED = 11
END = date(2026, 5, 1)
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def run(report: Report) -> None:
    """Time the commands and value what they recommend."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        world = folder / "world"
        as_of = f"{END.isoformat()}T00:00:00Z"

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
        _value(report, pl.read_parquet(out), read_truth(world))
    total = sum(float(str(report.figures[f"{step}_seconds"])) for step in ("import", "train", "recommend"))
    report.goal("import + train + recommend, seconds", total, at_most=300)


def _value(report: Report, advice: pl.DataFrame, truth: Truth) -> None:
    """True net money of what is recommended per debtor, against the best fixed action's."""
    contacted = advice.filter(pl.col("channel").is_not_null())
    recommended = 0.0
    for (channel, weekday, hour), group in contacted.group_by("channel", "weekday", "hour"):
        slot = _WEEKDAYS.index(str(weekday)) * 24 + int(str(hour))
        recommended += float(np.sum(truth.value_of(group["debtor"].to_list(), str(channel), slot)))
    everyone = advice["debtor"].to_list()
    lawful = [slot for slot in range(168) if 8 <= slot % 24 < 21]
    fixed = max(
        float(np.sum(truth.value_of(everyone, channel, slot))) for channel in CHANNELS for slot in lawful
    )
    report.note("contacted_share", contacted.height / max(advice.height, 1))
    report.goal("recommended ÷ best fixed action, true value", recommended / fixed, at_least=1.0)
