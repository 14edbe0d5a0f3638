"""The off-policy estimator on public logs of two policies that were both really run."""

from pathlib import Path

import numpy as np

from ml.off_policy import block_of, drawing_value
from tests.ml.open_bandit import WIDTH, action_of, chances_of, clicks_of, item_of, trial_of

LOGS = Path(__file__).parents[1] / "data/open_bandit"


def test_the_value_of_one_policy_is_found_in_the_log_of_another() -> None:
    uniform, sampling = (clicks_of(str(LOGS / f"{name}.parquet"), "parquet") for name in ("random", "bts"))
    chances = chances_of(sampling, 34)
    found = drawing_value(trial_of(uniform, seed=0), chances, width=WIDTH, seed=0)
    assert found.low <= sampling.clicked.mean() <= found.high
    assert found.effective > 1_000
    assert found.high - found.low < 3 * sampling.clicked.mean()


def test_the_value_of_the_logging_policy_itself_is_what_it_brought() -> None:
    uniform = clicks_of(str(LOGS / "random.parquet"), "parquet")
    found = drawing_value(trial_of(uniform, seed=0), chances_of(uniform, 34), width=WIDTH, seed=0)
    assert abs(found.mean / uniform.clicked.mean() - 1) < 0.02
    assert found.effective > 9_000


def test_each_item_has_an_action_and_a_block_of_its_own() -> None:
    items = np.arange(80)
    assert (item_of(action_of(items)) == items).all()
    blocks = block_of(action_of(items), WIDTH)
    assert len(set(blocks.tolist())) == 80
    assert blocks.min() >= 0
