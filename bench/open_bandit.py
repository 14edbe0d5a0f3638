"""What one policy would have brought, from the log of another: the Open Bandit Dataset's two policies, both really run.

The value (clicks per thousand) of Thompson sampling from the rounds of the uniformly random policy, by the block doubly
robust estimator of `ml.off_policy`, with an item as an action of its own; goal: its 95 % interval holds the value that
Thompson sampling had in its own rounds, in each campaign. Inverse propensity weighting stands beside it.
"""

import io

import numpy as np

from bench.measuring import Report
from bench.public_data import read
from ml.off_policy import drawing_value
from tests.ml.open_bandit import WIDTH, Clicks, chances_of, clicks_of, trial_of

CAMPAIGNS = ("all", "men", "women")
SEED = 0


def run(report: Report) -> None:
    """Estimate and compare, campaign by campaign."""
    for campaign in CAMPAIGNS:
        uniform, sampling = (_log(policy, campaign) for policy in ("random", "bts"))
        items = int(max(uniform.item.max(), sampling.item.max())) + 1
        trial, chances = trial_of(uniform, seed=SEED), chances_of(sampling, items)
        found = drawing_value(trial, chances, width=WIDTH, seed=SEED)
        truth = float(sampling.clicked.mean())
        error = float(np.sqrt(truth * (1 - truth) / len(sampling.clicked)))
        chosen = chances[uniform.position, trial.log.action]
        weighted = float(np.mean(chosen / uniform.propensity * uniform.clicked))
        report.note(f"{campaign}: on policy", f"{1000 * truth:.2f} ± {1960 * error:.2f} clicks per thousand")
        report.note(f"{campaign}: random policy", f"{1000 * uniform.clicked.mean():.2f}")
        report.note(
            f"{campaign}: estimated",
            f"{1000 * found.mean:.2f} ({1000 * found.low:.2f} to {1000 * found.high:.2f})",
        )
        report.note(f"{campaign}: by inverse propensities", f"{1000 * weighted:.2f}")
        report.note(f"{campaign}: effective rounds", round(found.effective))
        held = found.low <= truth <= found.high
        report.goal(f"{campaign}: the interval holds the value on policy", float(held), at_least=1.0)


def _log(policy: str, campaign: str) -> Clicks:
    return clicks_of(io.BytesIO(read("obp", f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv")), "csv")
