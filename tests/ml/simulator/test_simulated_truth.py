"""The stated truth is the one that the outcomes follow."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from ml.simulator import (
    CHANNELS,
    DEFAULT,
    PRESETS,
    PolicyChange,
    SimulatedWorld,
    read_truth,
    simulate,
    truth_folder,
    write,
)
from ml.simulator.policy import HistoricalPolicy

END = date(2026, 5, 1)


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    return simulate(1500, seed=21, end=END)


def _agrees(happened: np.ndarray, chance: np.ndarray) -> bool:
    """Whether the count lies within 4.5 standard deviations of the sum of the stated chances."""
    spread = np.sqrt((chance * (1 - chance)).sum())
    return bool(abs(happened.sum() - chance.sum()) <= 4.5 * spread + 1e-9)


def test_engagement_and_payment_happen_as_often_as_stated(world: SimulatedWorld) -> None:
    contacts = world.journey.contacts
    arrived = contacts.arrival == 0
    for happened, chance, among in (
        (contacts.engaged, contacts.engage_chance, arrived),
        (contacts.caused, contacts.pay_chance, contacts.engaged),
    ):
        assert _agrees(happened[among], chance[among])
        for channel in range(len(CHANNELS)):
            rows = among & (contacts.channel == channel)
            assert _agrees(happened[rows], chance[rows]), CHANNELS[channel]
        tenth = np.digitize(chance, np.quantile(chance[among], np.arange(0.1, 1, 0.1)))
        for part in range(10):
            assert _agrees(happened[among & (tenth == part)], chance[among & (tenth == part)]), part


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "default"])
def test_other_forms_of_world_keep_their_word_too(name: str) -> None:
    contacts = simulate(500, seed=3, end=END, world=PRESETS[name]).journey.contacts
    arrived = contacts.arrival == 0
    assert _agrees(contacts.engaged[arrived], contacts.engage_chance[arrived])
    assert _agrees(contacts.caused[contacts.engaged], contacts.pay_chance[contacts.engaged])
    assert contacts.engage_chance.std() > 0.03


def test_those_left_alone_pay_as_often_as_stated() -> None:
    silent = simulate(3000, seed=8, end=END, world=replace(DEFAULT, contacts_per_week=0.0, organic=3.0))
    assert len(silent.facts["communications"].filter(pl.col("direction") == "OUTBOUND")) == 0
    truth, people = silent.truth, silent.truth.people
    begins = people.entry_day == 0
    first = np.full(people.size, np.inf)
    receipts = silent.journey.receipts
    np.minimum.at(first, people.owner[receipts.account], receipts.paid_us.astype(float))
    start_us = (silent.start - date(1970, 1, 1)).days * 86_400_000_000
    paid = first < start_us + 30 * 86_400_000_000
    chance = -np.expm1(-30 * truth.tastes.organic)
    result = binomtest(int(paid[begins].sum()), int(begins.sum()))
    low, high = result.proportion_ci(0.9999)
    assert low <= chance[begins].mean() <= high


def test_value_is_conversion_times_money_less_cost(world: SimulatedWorld) -> None:
    truth = world.truth
    names = list(truth.keys[:40])
    who, channel, hour = truth.rows(names), np.array(CHANNELS.index("SMS")), np.array(18)
    value = truth.value_of(names, "SMS", 18)
    conversion = truth.conversion(who, channel, hour)
    reached = truth.reachable[who, channel] & truth.active[who]
    assert np.allclose(
        value, conversion * (1 - truth.organic[who]) * truth.amount[who] - truth.cost[who, channel] * reached
    )
    assert (value[~reached] == 0).all()
    assert reached.any()
    assert not reached.all()


def test_templates_average_to_the_value_without_one(world: SimulatedWorld) -> None:
    truth = world.truth
    who, channel, hour = np.arange(200), np.array(CHANNELS.index("EMAIL")), np.array(34)
    each = [truth.conversion(who, channel, hour, np.array(template)) for template in range(3)]
    assert np.allclose(np.mean(each, axis=0), truth.conversion(who, channel, hour))
    assert np.abs(each[0] - each[1]).max() > 0.001


@pytest.mark.parametrize("name", list(PRESETS))
def test_there_is_something_to_learn(name: str) -> None:
    """History < best fixed < best per segment < best per debtor, and segments differ in channel and hour."""
    truth = simulate(1200, seed=4, end=END, world=PRESETS[name]).truth
    worth = truth.benchmarks()
    assert worth["historical"] < worth["best_fixed"] < worth["segment_oracle"] < worth["debtor_optimum"]
    assert (worth["best_fixed"] - worth["historical"]) < 0.85 * (
        worth["segment_oracle"] - worth["historical"]
    )
    _, total = truth.segment_values()
    best = total.reshape(len(total), -1).argmax(axis=1)
    assert len(set(best // 168)) >= 3
    assert len(set(best % 168)) >= 8


def test_the_historical_policy_states_its_propensities_and_follows_traits(world: SimulatedWorld) -> None:
    truth, contacts = world.truth, world.journey.contacts
    first = contacts.sent_us < contacts.sent_us.min() + 5 * 86_400_000_000
    who = contacts.who[first]
    open_hours = np.broadcast_to(truth.open_hours.any(axis=0), (len(who), 168))
    channel, hour = truth.policy.probabilities(who, truth.people.reachable[who], open_hours)
    rows = np.arange(len(who))
    assert np.allclose(channel.sum(axis=1), 1)
    assert np.allclose(hour.sum(axis=2), 1)
    stated = (
        channel[rows, contacts.channel[first]] * hour[rows, contacts.channel[first], contacts.hour[first]]
    )
    same = np.isclose(stated, contacts.propensity[first])
    assert same.mean() > 0.97  # an address may have been lost since the first day
    calls = contacts.channel == CHANNELS.index("VOICE")
    risk = truth.people.risk_score[contacts.who]
    assert risk[calls].mean() > risk[~calls].mean() + 3


def test_a_written_world_can_be_read_and_its_truth_made_anew(tmp_path: Path) -> None:
    made = simulate(60, seed=9, end=END)
    folder = tmp_path / "demo"
    beside = write(made, folder)
    assert beside == truth_folder(folder) == tmp_path / "demo.truth"
    assert {path.stem for path in folder.iterdir()} == set(made.facts)
    for name, frame in made.facts.items():
        parquet = folder / f"{name}.parquet"
        read = (
            pl.read_parquet(parquet)
            if parquet.exists()
            else pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        )
        assert read.columns == frame.columns
        assert len(read) == len(frame)
        if parquet.exists():
            assert read.equals(frame)
    sent = pl.read_csv(folder / "payments.csv", infer_schema=False)["paid_at"]
    assert sent.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$").all()
    assert read_truth(folder).actions().equals(made.truth.actions())
    write(simulate(40, seed=9, end=END), folder)
    assert len(read_truth(folder).keys) == 40


def test_other_files_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "debtors.csv").write_text("reference\n")
    with pytest.raises(FileExistsError, match="empty or new folder"):
        write(simulate(5, seed=1, end=END), tmp_path)
    assert (tmp_path / "debtors.csv").read_text() == "reference\n"


def test_a_truth_from_another_simulator_is_refused(tmp_path: Path) -> None:
    beside = write(simulate(20, seed=1, end=END), tmp_path / "demo")
    actions = pl.read_parquet(beside / "actions.parquet")
    actions.with_columns(pl.col("value") + 1).write_parquet(beside / "actions.parquet")
    with pytest.raises(ValueError, match="another version of the simulator"):
        read_truth(tmp_path / "demo")
    text = (beside / "world.json").read_text().replace('"default"', '"atlantis"')
    (beside / "world.json").write_text(text)
    with pytest.raises(ValueError, match="'atlantis' is not one of"):
        read_truth(tmp_path / "demo")


class _Letters:
    """Everybody gets letters, on Tuesday at ten; whoever has no address is contacted as before."""

    def __init__(self, former: HistoricalPolicy) -> None:
        self._former = former

    def choose(self, rng, who, reachable, open_hours):
        channel, hour, propensity = self._former.choose(rng, who, reachable, open_hours)
        letter = CHANNELS.index("LETTER")
        told = reachable[:, letter] & open_hours[:, 34]
        return np.where(told, letter, channel), np.where(told, 34, hour), propensity


def test_a_change_of_policy_leaves_the_past_alone(world: SimulatedWorld) -> None:
    change = PolicyChange(date(2026, 4, 6), _Letters(world.truth.policy))
    changed = simulate(1500, seed=21, end=END, change=change).journey.contacts
    contacts = world.journey.contacts
    before = (np.datetime64("2026-04-06") - np.datetime64("1970-01-01")).astype("timedelta64[us]").astype(int)
    # the first Monday begins earlier east of Greenwich
    past, same = (part.sent_us < before - 86_400_000_000 for part in (contacts, changed))
    for name in ("who", "channel", "sent_us", "engaged", "paid_us"):
        assert np.array_equal(getattr(contacts, name)[past], getattr(changed, name)[same]), name
    late = changed.sent_us >= before
    assert (changed.channel[late] == CHANNELS.index("LETTER")).mean() > 0.85
    assert (contacts.channel[contacts.sent_us >= before] == CHANNELS.index("LETTER")).mean() < 0.4
