"""Forecasts against what came, on worlds simulated and on series of the world outside.

Goals: nine in ten days inside the 90 % band and at least eight in ten of whichever KPI; less pinball loss and a better
interval score than repeating the week before and than AutoETS, though these know what has yet to settle.
"""

import numpy as np

from bench.forecasting.public import score_public
from bench.forecasting.scoring import Tally
from bench.forecasting.worlds import score_worlds
from bench.measuring import Report

_BASELINES = {"week": "the week before", "ets": "AutoETS"}


def run(report: Report) -> None:
    """Every part, one after the other."""
    worlds = score_worlds()
    scored = {"worlds": worlds["total"], **score_public()}
    points = [hit for part in scored.values() for tally in part.values() for hit in tally.drawn]
    report.goal("independent points", len(points), at_least=300)
    covered = float(np.mean(points))
    report.goal("share of independent points inside the 90 % band", covered, at_least=0.87)
    report.goal("the same", covered, at_most=0.93)
    for name, part in scored.items():
        for kpi, tally in part.items():
            _compare(report, f"{name} {kpi}", tally)
    for kpi, tally in worlds["by channel"].items():
        if tally.hits:
            report.note(f"worlds by channel {kpi}: share inside", float(np.mean(tally.hits)))
            report.note(
                f"worlds by channel {kpi}: pinball loss ÷ the week before", tally.ratio(tally.pinball, "week")
            )


def _compare(report: Report, name: str, tally: Tally) -> None:
    if not tally.hits:
        return
    report.note(f"{name}: days", len(tally.hits))
    report.goal(f"{name}: share of days inside the 90 % band", float(np.mean(tally.hits)), at_least=0.8)
    for against, said in _BASELINES.items():
        if against not in tally.pinball:
            continue
        report.goal(f"{name}: pinball loss ÷ {said}", tally.ratio(tally.pinball, against), at_most=1.0)
        report.goal(f"{name}: interval score ÷ {said}", tally.ratio(tally.interval, against), at_most=1.0)
