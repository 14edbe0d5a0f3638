"""A million debtors scored on five channels and 168 hours, and models trained on two million messages.

The portfolio is a simulated one, replicated part by part, as storage hands it over to `dunwell recommend`; what is
timed is the code behind it from the frames on (features, models, the values of all hours, choice, what is expected, the
file's columns). Reading the database and the contact rules of each debtor are not in it. Goals: two minutes and 4 GiB
for the scoring; training in at most three times what one bare LightGBM fit of the same matrix takes, both with two
threads, one after the other. Processor seconds stand beside the clock's: other work on the machine moves the latter.
"""

import os
import time
from datetime import UTC, date, datetime
from datetime import time as clock

import lightgbm
import numpy as np
import polars as pl

from bench.measuring import Report
from bench.memory import peak_memory
from ml.boosting import FIXED
from ml.casework import gather
from ml.features import Casebook
from ml.frames import History
from ml.model import TrainedModel
from ml.recipe import train
from ml.scoring import Scorer
from ml.segment_plans import usual_plan
from ml.simulator import simulate
from ml.values import Ahead

END = date(2026, 5, 1)
NOW = datetime.combine(END, clock(), UTC)
SEED = 7
SIMULATED = 5_000
DEBTORS = 1_000_000
MESSAGES = 2_000_000
THREADS = 2
BARE_ROUNDS = 300
KEYS = ("debtor", "account", "communication", "payment", "promise", "reference")


def run(report: Report) -> None:
    """Train on the portfolio, score it two hundred times over, then train on copies of it."""
    world = simulate(SIMULATED, SEED, END)
    history = History.from_facts(world.facts, as_of=NOW, currency=world.world.home_currency)
    model = train(history, as_of=NOW, seed=SEED, threads=THREADS)
    _score(report, model, history)
    _train(report, history, model.rows)


def _score(report: Report, model: TrainedModel, history: History) -> None:
    parts = DEBTORS // SIMULATED
    report.note("debtors scored", parts * len(history.debtors))
    written = 0
    with peak_memory([os.getpid()]) as peak:
        begun, worked = time.perf_counter(), time.process_time()
        scorer = Scorer.of(model, usual_plan(model))
        for _ in range(parts):
            book = Casebook(history)
            found = scorer.scores(book, np.arange(len(history.debtors)), ahead=Ahead.of(NOW))
            written += len(found)
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    report.note("processor seconds to score them", round(worked, 1))
    report.note("rows of advice", written)
    report.note("contacts already made per part", len(history.communications))
    report.goal("seconds to score them", round(seconds, 1), at_most=120.0)
    report.goal("most memory, GiB", round(max(peak.megabytes.values()) / 1024, 2), at_most=4.0)


def _train(report: Report, history: History, rows: int) -> None:
    copies = -(-MESSAGES // rows)
    many = replicated(history, copies)
    book = Casebook(many)
    casework = gather(book, use_age=False, most=len(book.outcomes))
    report.note("messages learned from", len(casework.outcomes))
    label = (casework.outcomes.engaged_at <= casework.outcomes.seen_until).astype(np.float64)
    matrix, categorical = casework.matrix, casework.space.categorical
    del book, casework
    begun, worked = time.perf_counter(), time.process_time()
    dataset = lightgbm.Dataset(matrix, label=label, categorical_feature=categorical)
    settings = {**FIXED, "objective": "binary", "seed": SEED, "num_threads": THREADS}
    lightgbm.train(settings, dataset, num_boost_round=BARE_ROUNDS)
    bare, bare_worked = time.perf_counter() - begun, time.process_time() - worked
    del matrix, dataset
    report.note(f"seconds of one bare LightGBM fit, {BARE_ROUNDS} rounds", round(bare, 1))
    with peak_memory([os.getpid()]) as peak:
        begun, worked = time.perf_counter(), time.process_time()
        begun_at, at_stage = begun, "start"

        def told(stage: str, share: float) -> None:
            nonlocal begun_at, at_stage
            del share
            report.note(f"training: {at_stage}, seconds", round(time.perf_counter() - begun_at, 1))
            begun_at, at_stage = time.perf_counter(), stage

        train(many, as_of=NOW, seed=SEED, threads=THREADS, progress=told)
        whole, worked = time.perf_counter() - begun, time.process_time() - worked
    report.note("seconds of training everything", round(whole, 1))
    report.note("processor seconds of training over those of the bare fit", round(worked / bare_worked, 2))
    report.note("most memory of training, GiB", round(max(peak.megabytes.values()) / 1024, 2))
    report.goal("training over the bare fit", round(whole / bare, 2), at_most=3.0)


def replicated(history: History, copies: int) -> History:
    """The same history, as often as asked, under other keys."""

    def of(frame: pl.DataFrame) -> pl.DataFrame:
        keys = [name for name in KEYS if name in frame.columns]
        others = pl.col(keys).cast(pl.String) + "-" + pl.col("copy").cast(pl.String)
        many = frame.join(pl.DataFrame({"copy": range(copies)}), how="cross")
        return many.with_columns(others).drop("copy")

    return History(
        as_of=history.as_of,
        currency=history.currency,
        rates=history.rates,
        debtors=of(history.debtors),
        accounts=of(history.accounts),
        communications=of(history.communications),
        payments=of(history.payments),
        promises=of(history.promises),
    )
