"""A simulated world on disk: the facts in one folder, as a creditor would hand them over, the truth beside
it.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ml.simulator.spec import PRESETS
from ml.simulator.truth import Truth
from ml.simulator.worlds import SimulatedWorld, simulate

_BIG_TABLES = ("communications", "events")
_INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.6f%:z"


def truth_folder(folder: Path) -> Path:
    """Where the truth about the data set in `folder` lies: `demo` → `demo.truth`, outside what is imported."""
    named = folder.resolve() if folder.name in ("", "..") else folder  # `.` and `..` are somewhere
    return named.with_name(named.name + ".truth")


def write(world: SimulatedWorld, folder: Path) -> Path:
    """Writes the facts to `folder` (CSV; communications and events as Parquet) and the truth beside it;
    returns the latter.

    truth: `world.json` (preset, debtors, seed, end: enough for `read_truth`), `actions.parquet` (segment,
    channel, hour_of_week, debtors, value) and `debtors.parquet` (debtor, segment, amount, organic). Raises
    FileExistsError when `folder` holds files that are not from an earlier simulation.
    """
    beside = truth_folder(folder)
    if folder.exists() and any(folder.iterdir()) and not (beside / "world.json").exists():
        raise FileExistsError(f"{folder} already holds other files; choose an empty or new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in world.facts.items():
        if name in _BIG_TABLES:
            frame.write_parquet(folder / f"{name}.parquet")
        else:
            frame.write_csv(folder / f"{name}.csv", datetime_format=_INSTANT_FORMAT)
    beside.mkdir(exist_ok=True)
    world.truth.actions().write_parquet(beside / "actions.parquet")
    _debtors(world.truth).write_parquet(beside / "debtors.parquet")
    made_from = {
        "world": world.world.name,
        "debtors": len(world.truth.keys),
        "seed": world.seed,
        "end": world.end.isoformat(),
        "benchmarks": world.truth.benchmarks(),
    }
    (beside / "world.json").write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")
    return beside


def _debtors(truth: Truth) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "debtor": truth.keys,
            "segment": truth.segment,
            "amount": truth.amount,
            "organic": truth.organic,
        }
    )


def read_truth(folder: Path) -> Truth:
    """The truth about the data set that `write` put in `folder`, made anew from its seed.

    Raises FileNotFoundError when there is none, ValueError when the world made anew is not the one that was
    written (another version of the simulator) or its preset is unknown.
    """
    beside = truth_folder(folder)
    made_from = json.loads((beside / "world.json").read_text(encoding="utf-8"))
    if made_from["world"] not in PRESETS:
        raise ValueError(
            f"{beside / 'world.json'}: world {made_from['world']!r} is not one of {', '.join(PRESETS)}"
        )
    end = date.fromisoformat(made_from["end"])
    world = simulate(made_from["debtors"], made_from["seed"], end, PRESETS[made_from["world"]])
    stored = pl.read_parquet(beside / "actions.parquet")["value"].to_numpy()
    made = world.truth.actions()["value"].to_numpy()
    if stored.shape != made.shape or not np.allclose(stored, made):
        raise ValueError(
            f"{beside} was written by another version of the simulator; simulate the data set again"
        )
    return world.truth
