"""Forecasts against what came, on worlds simulated and on series of the world outside; the difference that following
the recommendations makes, lived through twice; and how long a large forecast takes, to make and to answer.

Goals: nine in ten days inside the 90 % band and at least eight in ten of whichever KPI; less pinball loss and a better
interval score than repeating the week before and than AutoETS, though these know what has yet to settle. At least 85 %
of true differences inside their interval, and 95 % of signs right. Thirty days of 36 segments on five channels within
30 seconds and 2 GiB; over HTTP, once made, within ten times a page of 50 debtors. Without a goal: the CRPS of whole
distributions.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from bench.forecasting.answering import time_answer
from bench.forecasting.policies import WORLDS, Differences, compare_policies
from bench.forecasting.public import score_public
from bench.forecasting.scoring import Tally
from bench.forecasting.size import time_large
from bench.forecasting.worlds import score_worlds
from bench.measuring import Report
from ml.forecast import Kpi

_BASELINES = {"week": "the week before", "ets": "AutoETS"}


def run(report: Report) -> None:
    """Every part, one after the other."""
    time_large(report)
    time_answer(report)
    # Forked, they would wait for threads that stayed behind.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as beside:
        lived = [beside.submit(compare_policies, range(half, WORLDS, 2)) for half in range(2)]
        _against_what_came(report)
        _policies(report, [part.result() for part in lived])


def _against_what_came(report: Report) -> None:
    worlds, public = score_worlds(), score_public()
    scored = {"worlds": worlds["total"], "bank_calls": public["bank_calls"]}
    points = [hit for part in scored.values() for tally in part.values() for hit in tally.drawn]
    report.goal("independent points", len(points), at_least=300)
    covered = float(np.mean(points))
    report.goal("share of independent points inside the 90 % band", covered, at_least=0.87)
    report.goal("the same", covered, at_most=0.93)
    for name, part in scored.items():
        for kpi, tally in part.items():
            _compare(report, f"{name} {kpi}", tally)
    for name, part in {"worlds by channel": worlds["by channel"], "flights": public["flights"]}.items():
        for kpi, tally in part.items():
            _show(report, f"{name} {kpi}", tally)


def _compare(report: Report, name: str, tally: Tally) -> None:
    report.note(f"{name}: days", len(tally.hits))
    report.goal(f"{name}: share of days inside the 90 % band", float(np.mean(tally.hits)), at_least=0.8)
    for against, said in _BASELINES.items():
        if against in tally.pinball:
            report.goal(f"{name}: pinball loss ÷ {said}", tally.ratio(tally.pinball, against), at_most=1.0)
            report.goal(f"{name}: interval score ÷ {said}", tally.ratio(tally.interval, against), at_most=1.0)
        if against in tally.crps:
            report.note(f"{name}: CRPS ÷ {said}", tally.ratio(tally.crps, against))


def _show(report: Report, name: str, tally: Tally) -> None:
    if tally.hits:
        report.note(f"{name}: share of days inside the 90 % band", float(np.mean(tally.hits)))
    for against, said in _BASELINES.items():
        if against in tally.pinball:
            report.note(f"{name}: pinball loss ÷ {said}", tally.ratio(tally.pinball, against))
        if against in tally.crps:
            report.note(f"{name}: CRPS ÷ {said}", tally.ratio(tally.crps, against))


def _policies(report: Report, found: list[Differences]) -> None:
    for kpi in Kpi:
        inside = [hit for part in found for hit in part.held.get(kpi, ())]
        if inside:
            report.note(f"difference of {kpi}: share inside the 90 % interval", float(np.mean(inside)))
    held = [hit for part in found for hits in part.held.values() for hit in hits]
    signs = [right for part in found for rights in part.signs.values() for right in rights]
    report.note("true differences", len(held))
    report.note("differences whose interval excludes 0", len(signs))
    report.goal("share of true differences inside the 90 % interval", float(np.mean(held)), at_least=0.85)
    report.goal("share of right signs where it excludes 0", float(np.mean(signs)), at_least=0.95)
