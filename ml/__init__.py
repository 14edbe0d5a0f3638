"""Learning: frames in, frames out. Features, models, decisions, evaluation, forecasts, artefacts and the
simulator."""

import os

# Threads that spin while they wait make training ten times slower as soon as something else runs beside
# it; OpenMP reads this once, when LightGBM is loaded, so it has to come before any other module of this room.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
