"""How long a forecast of a million debtors takes, and how much memory, from what was counted per day on."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from bench.measuring import Report
from bench.memory import peak_memory
from ml.forecast import MESSAGE_KPIS, Dimension, Policy, tally_of
from ml.forecast.cohorts import Cohorts, Outcome, cohorts_of
from ml.forecast.messages import forecast_messages
from ml.frames import History
from ml.simulator import DEFAULT, simulate

DEBTORS, LIKE, HORIZON = 1_000_000, 20_000, 30
_CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "VOICE")
_END = date(2026, 5, 1)


def time_large(report: Report) -> None:
    """The counts of 20,000 debtors times fifty: the work depends on days, segments and channels."""
    facts = simulate(LIKE, 3, _END, replace(DEFAULT, channels=_CHANNELS)).facts
    history = History.from_facts(facts, as_of=datetime(2026, 5, 1, tzinfo=UTC))
    begun = time.perf_counter()
    tally = tally_of(history)
    counted = cohorts_of(tally)
    assert counted is not None
    report.note("messages counted per second", len(history.outbound) / (time.perf_counter() - begun))
    large = _times(counted, DEBTORS // LIKE)
    with peak_memory([os.getpid()]) as peak:
        begun, worked = time.perf_counter(), time.process_time()
        made = forecast_messages(
            tally,
            large,
            horizon=HORIZON,
            policy=Policy.CURRENT,
            by=[Dimension.SEGMENT, Dimension.CHANNEL],
            kpis=MESSAGE_KPIS,
            schedule=None,
            seed=1,
        )
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    report.note("series of segment × channel", sum(len(series) for series in made.series.values()))
    report.note("seconds on a machine shared with others", seconds)
    report.goal(
        "processor seconds for 30 days × segments × channels of a million debtors", worked, at_most=30
    )
    report.goal("megabytes at most", peak.megabytes[os.getpid()], at_most=2048)


def _times(cohorts: Cohorts, factor: int) -> Cohorts:
    def grown(parts: Mapping[str, Outcome]) -> dict[str, Outcome]:
        return {name: replace(part, count=part.count * factor) for name, part in parts.items()}

    return replace(
        cohorts,
        sent=cohorts.sent * factor,
        delivered=cohorts.delivered * factor,
        outcomes=grown(cohorts.outcomes),
        payments=grown(cohorts.payments),
        money=grown(cohorts.money),
    )
