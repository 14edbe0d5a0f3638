"""How well seconds to open and seconds to pay are foretold, out of time, beside Kaplan–Meier per channel.

In each of the simulator's worlds the models learn from what was known sixty days before its end; contacts of the thirty
days after that, each watched for thirty days, judge them. The Brier score is that of "opened (paid) by then", averaged
over the contacts and the edges of the reaction time's bins: the chance that it happens at all, times the curve. Both
learn from the same contacts. Goals, over all worlds: at least 2 % better than Kaplan–Meier, and predicted shares within
3 % of those observed; beside them the score among those who react alone, where only the curve counts.
"""

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

import numpy as np
import polars as pl

from bench.measuring import Report
from bench.worlds import USUAL
from ml.arrays import Floats, Ints
from ml.features import Casebook
from ml.frames import History
from ml.hazard import kaplan_meier
from ml.local_time import MICROSECONDS
from ml.model import REACTION_EDGES, Prediction
from ml.outcomes import CHANNELS, HORIZON_SECONDS, Outcomes, outcomes_of
from ml.recipe import train
from ml.simulator import PRESETS, simulate

END = date(2026, 5, 1)
NOW = datetime.combine(END, clock(), UTC)
LEARNT = NOW - timedelta(days=60)
DEBTORS, SEED = USUAL, 7
TIMES = REACTION_EDGES[1:]
KINDS = ("open", "pay")


def run(report: Report) -> None:
    """Train and judge in every world."""
    gains: dict[str, list[float]] = {kind: [] for kind in KINDS}
    totals = {kind: np.zeros(2) for kind in KINDS}
    for name, world in PRESETS.items():
        made = simulate(DEBTORS, SEED, END, world)
        history = History.from_facts(made.facts, as_of=NOW, currency=made.world.home_currency)
        for kind, (gain, among, counts) in _judge(history).items():
            gains[kind].append(gain)
            totals[kind] += counts
            bias = counts[0] / counts[1] - 1
            report.note(f"{name}: {kind}, better than Kaplan–Meier, %", round(100 * gain, 2))
            report.note(f"{name}: {kind}, the same among those who do, %", round(100 * among, 2))
            report.note(f"{name}: {kind}, predicted over observed, %", round(100 * bias, 1))
            report.note(f"{name}: {kind}, observed", int(counts[1]))
    for kind in KINDS:
        bias = 100 * (totals[kind][0] / totals[kind][1] - 1)
        report.goal(
            f"{kind}: better than Kaplan–Meier, mean %", float(100 * np.mean(gains[kind])), at_least=2.0
        )
        report.goal(f"{kind}: predicted over observed, all worlds, ±%", abs(float(bias)), at_most=3.0)


def _judge(history: History) -> dict[str, tuple[float, float, Floats]]:
    """Per kind: gain over Kaplan–Meier, the same among those who react, (predicted, observed) counts."""
    model = train(history, as_of=LEARNT, seed=SEED, threads=2)
    book = Casebook(history)
    outcomes, known = book.outcomes, outcomes_of(history.known_at(LEARNT))
    after = outcomes.sent_at > int(LEARNT.timestamp() * MICROSECONDS)
    rows = np.flatnonzero(after & (outcomes.followed_seconds >= HORIZON_SECONDS))
    predicted = model.predict(book, _asked(history, outcomes, rows))
    return {kind: _score(kind, predicted, outcomes.take(rows), known) for kind in KINDS}


def _asked(history: History, outcomes: Outcomes, rows: Ints) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "debtor": history.debtors["debtor"][outcomes.debtor[rows]],
            "channel": [CHANNELS[code] for code in outcomes.channel[rows]],
            "at": pl.Series(outcomes.sent_at[rows]).cast(pl.Datetime("us", "UTC")),
        }
    )


def _score(kind: str, predicted: Prediction, seen: Outcomes, known: Outcomes) -> tuple[float, float, Floats]:
    opens = kind == "open"
    chance, curve = (
        (predicted.p_open, predicted.open_curve) if opens else (predicted.p_convert, predicted.pay_curve)
    )
    seconds = seen.seconds_to(seen.opened_at if opens else seen.paid_at)
    happened = (seconds[:, None] <= TIMES[None, :]).astype(np.float64)
    simple = _kaplan_meier(known, known.opened_at if opens else known.paid_at, seen.channel)
    gain = 1 - _brier(chance[:, None] * curve, happened) / _brier(simple, happened)
    reacted = seconds <= HORIZON_SECONDS
    shares = simple[reacted] / np.maximum(simple[reacted][:, -1:], 1e-12)
    among = 1 - _brier(curve[reacted], happened[reacted]) / _brier(shares, happened[reacted])
    return gain, among, np.array([chance.sum(), happened[:, -1].sum()])


def _kaplan_meier(known: Outcomes, event_at: Ints, channel: Ints) -> Floats:
    """(n, times) share that has reacted by each time, of the channel's contacts known."""
    found = np.zeros((len(channel), len(TIMES)))
    seconds = known.seconds_to(event_at)
    for code in np.unique(channel):
        mine = known.channel == code
        times, survival = kaplan_meier(seconds[mine], known.followed_seconds[mine])
        place = np.searchsorted(times, TIMES, side="right")
        found[channel == code] = 1 - np.concatenate([[1.0], survival])[place]
    return found


def _brier(chance: Floats, happened: Floats) -> float:
    return float(np.mean((chance - happened) ** 2))
