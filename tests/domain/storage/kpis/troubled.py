"""Simulated worlds, made harder: what creditors' systems do to facts before anyone counts them."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ml.simulator import PRESETS, simulate

END = date(2026, 6, 1)
Facts = dict[str, pl.DataFrame]


def troubled_world(preset: str, *, debtors: int, seed: int) -> Facts:
    """A world with many reversals, clocks that disagree, accounts and calls of nobody, and gaps in the books."""
    facts = dict(simulate(debtors, seed=seed, end=END, world=PRESETS[preset]).facts)
    rng = np.random.default_rng(seed)

    def some(table: str, share: float) -> pl.Series:
        return pl.Series(rng.random(facts[table].height) < share)

    def later(table: str, hours: float) -> pl.Series:
        return pl.Series(rng.uniform(0, hours * 3.6e9, facts[table].height)).cast(pl.Duration("us"))

    facts["payments"] = facts["payments"].with_columns(
        reversed_at=pl.when(some("payments", 0.3))
        .then(pl.col("paid_at") + later("payments", 24 * 50))
        .otherwise(pl.col("reversed_at"))
    )
    facts["communications"] = facts["communications"].with_columns(
        # Sent after what it caused: the sender's clock is late.
        sent_at=pl.when(some("communications", 0.05))
        .then(pl.col("sent_at") + later("communications", 24 * 6))
        .otherwise(pl.col("sent_at")),
        agent=pl.when(some("communications", 0.2)).then(None).otherwise(pl.col("agent")),
        campaign=pl.when(some("communications", 0.5)).then(pl.lit("Spring")).otherwise(None),
    )
    told = pl.col("reference").hash(seed)  # the same for an event that comes twice
    facts["events"] = facts["events"].with_columns(
        # Told by a provider whose clock is ahead: a payment may come before the open that led to it.
        occurred_at=pl.when(told % 20 == 0)
        .then(pl.col("occurred_at") + (told % 345_600_000).cast(pl.Duration("ms")))
        .otherwise(pl.col("occurred_at")),
        automated=pl.col("automated") | (told % 16 == 3),
    )
    facts["accounts"] = facts["accounts"].with_columns(
        agent=pl.when(some("accounts", 0.15)).then(None).otherwise(pl.col("agent")),
        closed_on=pl.when(some("accounts", 0.05)).then(date(2026, 4, 10)).otherwise(pl.col("closed_on")),
        opened_on=pl.when(some("accounts", 0.05))
        .then(pl.col("due_on") + pl.duration(days=20))
        .otherwise("opened_on"),
        due_on=pl.when(some("accounts", 0.3))
        .then(pl.col("due_on") + pl.duration(days=90))
        .otherwise("due_on"),
    )
    facts["accounts"] = facts["accounts"].with_columns(
        closed_on=pl.when(pl.col("closed_on").is_not_null()).then(pl.max_horizontal("opened_on", "closed_on"))
    )
    facts["agents"] = facts["agents"].with_columns(
        team=pl.when(some("agents", 0.15)).then(None).otherwise(pl.col("team")),
        active_to=pl.when(some("agents", 0.3)).then(date(2026, 3, 31)).otherwise(pl.col("active_to")),
    )
    facts["promises"] = facts["promises"].with_columns(
        agent=pl.when(some("promises", 0.5)).then(None).otherwise(pl.col("agent"))
    )
    facts["finance"] = facts["finance"].with_columns(
        revenue=pl.when(some("finance", 0.1)).then(None).otherwise(pl.col("revenue"))
    )
    return facts


def write(facts: Facts, folder: Path) -> Path:
    """As a data set of Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, frame in facts.items():
        frame.write_parquet(folder / f"{table}.parquet")
    return folder
