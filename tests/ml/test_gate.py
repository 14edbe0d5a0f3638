from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from ml.evaluation import HoldOut, StepHoldOut, bootstrap_mean
from ml.frames import History
from ml.gate import GateCheck, GateResult, _paired, judge
from ml.gate_off_policy import _verdict as value_verdict
from ml.model import TrainedModel
from ml.off_policy import PolicyValue
from ml.recipe import train
from tests.ml.factories import SEED, at, history, model, tiny
from tests.ml.worlds import make_world

WAY_OUT = (
    "No model is promoted by itself without this check: promote it by hand, or train again when there is enough to "
    "judge by."
)


def _verdict(result: GateResult) -> dict[str, bool | None]:
    return {check.name: check.passed for check in result.checks}


def _with_step(trained: TrainedModel, name: str, **changes: object) -> TrainedModel:
    assert trained.holdout is not None
    steps = dict(trained.holdout.steps)
    steps[name] = replace(steps[name], **changes)  # type: ignore[arg-type]  # columns under test
    return replace(trained, holdout=HoldOut(trained.holdout.cut, steps))


def _step(trained: TrainedModel, name: str) -> StepHoldOut:
    assert trained.holdout is not None
    return trained.holdout.steps[name]


def test_a_first_champion_passes_and_says_what_cannot_be_known() -> None:
    result = judge(model(), None, history())
    assert result.passed, result
    checks = _verdict(result)
    assert checks["engaged_log_loss"] is True
    assert checks["engaged_calibration"] is True
    assert checks["off_policy_value"] is None
    assert all(check.message for check in result.checks)


def test_missing_propensities_are_named() -> None:
    known = history()
    bare = replace(known, communications=known.communications.drop("propensity"))
    untried = _with_step(model(), "engaged")
    message = next(
        check.message for check in judge(untried, None, bare).checks if check.name == "off_policy_value"
    )
    assert "No communication carries a propensity" in message


def test_too_few_contacts_like_the_plan_s_leave_its_value_open() -> None:
    check = next(
        check for check in judge(model(), None, history()).checks if check.name == "off_policy_value"
    )
    assert check.passed is None
    assert "tell nothing" in check.message


@pytest.mark.parametrize("effective", [3.0, 5_000.0])
def test_where_nobody_paid_only_a_plan_like_its_rival_is_surely_worth_no_less(effective: float) -> None:
    nothing = [PolicyValue(0.0, 0.0, 0.0, effective)] * 2
    for alike, passed in ((True, True), (False, None)):
        told = value_verdict("value", nothing, 111, "what was done", must_gain=False, alike=alike)
        assert told.passed is passed


def test_propensities_that_nobody_draws_by_neither_warn_nor_drown_the_others() -> None:
    made = make_world(debtors=900, seed=5, segments=3)
    sent = made.facts["communications"]
    absurd = pl.Series(np.random.default_rng(1).choice([0.0, 1.0, 1e-12, 1e-300, 0.3], len(sent)))
    facts = {**made.facts, "communications": sent.with_columns(propensity=absurd)}
    known = History.from_facts(facts, as_of=made.as_of)
    result = judge(train(known, as_of=known.as_of, seed=SEED, threads=1), None, known)
    value = next(check for check in result.checks if check.name == "off_policy_value")
    assert value.value is not None
    assert np.isfinite(value.value)
    assert "nan" not in value.message


def test_a_plan_is_held_against_the_champion_s_in_all_and_per_segment() -> None:
    checks = _verdict(judge(model(), model(), history()))
    assert "off_policy_not_worse_than_champion" in checks
    assert "no_segment_worse_than_champion" in checks


def test_a_model_no_better_than_the_base_rate_fails() -> None:
    step = _step(model(), "engaged")
    result = judge(_with_step(model(), "engaged", chance=step.base), None, history())
    assert not result.passed
    assert _verdict(result)["engaged_log_loss"] is False


def test_a_model_that_exaggerates_fails_on_calibration() -> None:
    step = _step(model(), "engaged")
    odds = step.chance / (1 - step.chance) * 1.6
    result = judge(_with_step(model(), "engaged", chance=odds / (1 + odds)), None, history())
    assert not result.passed
    assert _verdict(result)["engaged_calibration"] is False


def _messages(result: GateResult) -> dict[str, str]:
    return {check.name: check.message for check in result.checks}


def test_too_little_to_judge_by_is_not_a_pass_and_says_what_to_do() -> None:
    few = tiny(contacts=60, debtors=3)
    result = judge(train(few, as_of=few.as_of, seed=1, threads=1), None, few)
    assert not result.passed
    assert _verdict(result)["engaged_log_loss"] is None
    told = _messages(result)
    assert told["engaged_log_loss"].startswith(
        "Only 33 contacts are left to try it on, in the last fifth of the history; at least 200 are needed to judge "
    )
    assert told["engaged_log_loss"].endswith(WAY_OUT)
    assert not any(WAY_OUT in message for name, message in told.items() if name != "engaged_log_loss")


@pytest.mark.parametrize(("contacts", "have"), [(0, "No contacts are"), (1, "Only 1 contact is")])
def test_contacts_left_are_said_in_the_number_they_have(contacts: int, have: str) -> None:
    untried = replace(model(), holdout=HoldOut(0, {}, contacts=contacts))
    assert _messages(judge(untried, None, history()))["converted_log_loss"].startswith(
        f"{have} left to try it on"
    )


@pytest.mark.parametrize(
    ("name", "shown", "told"),
    [
        ("engaged", 0, "None of 1,000 later contacts is recorded as opened or answered"),
        ("engaged", 19, "Only 19 of 1,000 later contacts show opening or answering; at least 20 are needed"),
        (
            "engaged",
            995,
            "All but 5 of 1,000 later contacts show opening or answering; at least 20 that do not are",
        ),
        (
            "converted",
            0,
            "No payment is attributed to any of 1,000 later contacts, be it by the communication it names",
        ),
    ],
)
def test_what_a_check_lacks_is_named(name: str, shown: int, told: str) -> None:
    step = _step(model(), name)
    few = {column: values[:1000] for column, values in vars(step).items()}
    few["label"] = (np.arange(1000) < shown).astype(np.float64)
    result = judge(_with_step(model(), name, **few), None, history())
    assert _messages(result)[f"{name}_log_loss"].startswith(told)
    assert _messages(result)[f"{name}_calibration"].startswith(told)
    # Whether contacts convert is not needed of a first champion: creditors of whom little is paid have one too.
    assert (WAY_OUT in _messages(result)[f"{name}_log_loss"]) == (name == "engaged")
    assert result.passed == (name == "converted")


def test_a_new_recipe_whose_gain_cannot_be_known_says_what_to_do() -> None:
    bare = replace(history(), communications=history().communications.drop("propensity"))
    untried = _with_step(model(), "engaged")
    told = _messages(judge(replace(untried, recipe="another"), _earlier(), bare))
    assert told["off_policy_gain_over_champion"].endswith(WAY_OUT)


@cache
def _earlier() -> TrainedModel:
    return train(history(), as_of=at(75), seed=SEED, threads=1)


def _of_few(debtors: int, *, day: int = 75) -> TrainedModel:
    """Of few debtors: one that a model of all of them betters by more than chance."""
    known, tables = history(), ("debtors", "accounts", "communications", "payments", "promises")
    few = known.debtors["debtor"].head(debtors).to_list()
    parts = {table: getattr(known, table).filter(pl.col("debtor").is_in(few)) for table in tables}
    return train(replace(known, **parts), as_of=at(day), seed=SEED, threads=1)


def test_a_retrain_on_more_and_newer_data_is_not_worse_than_its_champion() -> None:
    result = judge(model(), _of_few(400), history())
    checks = _verdict(result)
    assert checks["not_older_than_champion"] is True
    assert checks["engaged_not_worse_than_champion"] is True
    assert result.passed


def test_a_retrain_of_fewer_debtors_is_refused_where_it_does_worse() -> None:
    result = judge(_of_few(400, day=120), _earlier(), history())
    assert not result.passed
    assert _verdict(result)["engaged_not_worse_than_champion"] is False


def test_a_retrain_much_worse_than_its_champion_fails() -> None:
    step = _step(model(), "engaged")
    draw = np.random.default_rng(0)
    noisy = np.clip(step.chance * np.exp(draw.normal(0, 0.8, len(step))), 0.001, 0.9)
    result = judge(_with_step(model(), "engaged", chance=noisy), _earlier(), history())
    assert not result.passed
    assert _verdict(result)["engaged_not_worse_than_champion"] is False


def test_nothing_replaces_a_champion_trained_on_newer_data() -> None:
    result = judge(_earlier(), model(), history())
    assert not result.passed
    assert _verdict(result)["not_older_than_champion"] is False
    # By how they are named the storage tells what compares it with the champion from what judges it alone.
    alone = set(_verdict(judge(_earlier(), None, history())))
    assert all(name.endswith("_champion") for name in set(_verdict(result)) - alone)
    assert not any(name.endswith("_champion") for name in alone)


def test_a_new_recipe_has_to_gain_not_only_to_keep_up() -> None:
    result = judge(replace(model(), recipe="another"), _earlier(), history())
    checks = _verdict(result)
    gains = ("converted_gain_over_champion", "off_policy_gain_over_champion")
    assert result.passed is (
        all(checks[gain] is True for gain in gains) and all(v is not False for v in checks.values())
    )


def test_a_champion_of_the_same_day_leaves_nothing_to_compare_on_and_says_so() -> None:
    same = replace(model(), trained_at=model().trained_at - timedelta(days=1))
    checks = {check.name: check for check in judge(model(), same, history()).checks}
    assert checks["engaged_not_worse_than_champion"].passed is None
    assert checks["engaged_not_worse_than_champion"].message == (
        "No contacts are newer than what the champion learned from; 200 with 20 showing opening or answering are "
        "needed to compare."
    )


@pytest.mark.parametrize(("shown", "told"), [(0, "None of"), (1, "Only 1 of"), (7, "Only 7 of")])
def test_new_contacts_of_which_too_few_show_anything_are_said_to_be_there(shown: int, told: str) -> None:
    label = np.zeros(len(_step(model(), "engaged")))
    label[-shown or len(label) :] = 1.0
    challenger = _with_step(model(), "engaged", label=label)
    check = next(
        check
        for check in judge(challenger, _earlier(), history()).checks
        if check.name == "engaged_not_worse_than_champion"
    )
    assert check.passed is None
    assert check.message.startswith(f"{told} ")
    assert (
        f" contacts newer than what the champion learned from {'shows' if shown < 2 else 'show'} "
        in check.message
    )


def test_the_bootstrap_draws_debtors_not_rows() -> None:
    values = np.repeat([0.0, 1.0], 500)
    by_two = bootstrap_mean(values, np.repeat([0, 1], 500), seed=1)
    by_row = bootstrap_mean(values, np.arange(1000), seed=1)
    assert np.std(by_two) == pytest.approx(0.35, abs=0.06)
    assert np.std(by_row) < 0.03


def _paired_with(gain: NDArray[np.float64]) -> GateCheck:
    """The verdict on a retrain that is better than its champion by `gain`, contact by contact."""
    step = _step(model(), "converted")
    rows = np.arange(len(step))[: len(gain)]
    return _paired(
        "converted", "not_worse_than_champion", np.full(len(rows), 0.15), 0.15 + gain, step, rows, 0
    )


def test_a_retrain_that_looks_better_on_too_few_contacts_is_an_open_question() -> None:
    draw = np.random.default_rng(1).normal(0, 0.1, 1000)
    check = _paired_with(draw - draw.mean() + 0.002)
    assert check.passed is None
    assert "is 0.00200 better than the champion's" in check.message
    assert "too few" in check.message


def test_a_retrain_that_looks_worse_within_what_is_tolerated_is_an_open_question() -> None:
    draw = np.random.default_rng(1).normal(0, 0.1, 1000)
    check = _paired_with(draw - draw.mean() - 0.001)
    assert check.passed is None
    assert "is 0.00100 worse than the champion's" in check.message
    assert "too few" in check.message


def test_a_retrain_that_looks_worse_than_tolerated_fails_however_few_the_contacts() -> None:
    draw = np.random.default_rng(1).normal(0, 0.1, 1000)
    check = _paired_with(draw - draw.mean() - 0.0016)
    assert check.passed is False
    assert "is 0.00160 worse than the champion's" in check.message
    assert "too few" not in check.message
