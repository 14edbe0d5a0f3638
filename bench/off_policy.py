"""What block doubly robust estimates are off by, on small logs of known truth in four forms.

Goals: mean error at most a tenth of the value; the truth inside the 95 % interval in nine of ten runs. By four times
forty runs, since forty by themselves move, by .05 in what holds and by .02 in the error, from one to the next; each is
noted too.
"""

import numpy as np

from bench.measuring import Report
from ml.off_policy import WIDTHS, policy_value
from tests.ml.bandits import FORMS, make_bandit

RUNS, GROUP, CONTACTS = 160, 40, 20_000


def run(report: Report) -> None:
    """Value each log's plan at every block width, beside what the model alone promises."""
    errors: dict[int, list[float]] = {width: [] for width in WIDTHS}
    held: dict[int, list[bool]] = {width: [] for width in WIDTHS}
    promised = []
    for seed in range(RUNS):
        made = make_bandit(1_000 + seed, form=FORMS[seed % len(FORMS)], contacts=CONTACTS)
        truth = float(made.truth.mean())
        target = made.trial.plan[made.trial.log.segment]
        promised.append(abs(float(made.trial.value(target).mean()) / truth - 1))
        for width in WIDTHS:
            found = policy_value(made.trial, made.trial.plan, width=width, seed=seed)
            errors[width].append(abs(found.mean / truth - 1))
            held[width].append(found.low <= truth <= found.high)
    report.note("runs", RUNS)
    report.note("contacts in each", CONTACTS)
    report.note("mean error of the model alone", float(np.mean(promised)))
    for width in WIDTHS:
        for name, column in (("mean error", errors), ("truth inside the interval", held)):
            forties = np.mean(np.reshape(column[width], (-1, GROUP)), axis=1)
            report.note(
                f"{name} of each forty, blocks of {width} hours", ", ".join(f"{x:.3f}" for x in forties)
            )
        report.goal(f"mean error, blocks of {width} hours", float(np.mean(errors[width])), at_most=0.1)
        report.goal(
            f"truth inside the interval, blocks of {width} hours", float(np.mean(held[width])), at_least=0.9
        )
