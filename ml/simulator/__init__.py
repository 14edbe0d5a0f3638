"""Portfolios with a hidden, known truth: the demo data set, and worlds in which to judge what has been learned.

world = simulate(5_000, seed=1, end=date(2026, 5, 1))
world.facts["communications"]                      # as in import-format.md
world.truth.value_of(["D0000010"], "EMAIL", 58)    # true net money of one contact, Wednesday 10:00
write(world, Path("demo"))                         # demo/*.csv, *.parquet and demo.truth/
"""

from ml.simulator.files import read_truth, truth_folder, write
from ml.simulator.policy import PolicyChange
from ml.simulator.spec import CHANNELS, DEFAULT, PRESETS, WorldSpec, harder
from ml.simulator.truth import Truth
from ml.simulator.worlds import SimulatedWorld, simulate

__all__ = [
    "CHANNELS",
    "DEFAULT",
    "PRESETS",
    "PolicyChange",
    "SimulatedWorld",
    "Truth",
    "WorldSpec",
    "harder",
    "read_truth",
    "simulate",
    "truth_folder",
    "write",
]
