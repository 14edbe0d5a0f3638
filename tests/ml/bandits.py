"""Logged contacts without sequel, of known truth: who was contacted how, with which probability, and what came."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.boosting import sigmoid
from ml.funnel import Lesson, fit_staged
from ml.off_policy import LoggedContacts, LoggedTrial
from ml.slot_effects import Cells, Shape

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEGMENTS, CHANNELS, COST = 8, 5, np.array([0.01, 0.06, 0.05, 0.9, 1.2])
FORMS = ("bells", "blocks", "waves", "flat")
SLOTS = np.array([day * 24 + hour for day in range(7) for hour in range(8, 21)])


@dataclass(frozen=True)
class Bandit:
    """trial: later contacts, valued by a staged classifier of earlier ones; truth, done: (n,) true value of the
    plan's actions and of what was done."""

    trial: LoggedTrial
    truth: Floats
    done: Floats


def make_bandit(seed: int, *, contacts: int = 8_000, form: str = "bells") -> Bandit:
    rng = np.random.default_rng(seed)
    world = _World.drawn(rng, form)
    modelled = _learned(world.logged(rng, contacts), seed)
    plan = _best_plan(modelled, rng)
    later = world.logged(rng, contacts)
    log = LoggedContacts(
        later.channel * 168 + later.slot,
        later.propensity,
        later.reward,
        np.arange(contacts) // 2,
        later.segment,
    )

    def of_actions(action: Ints) -> Floats:
        worth = modelled(
            later.segment, later.trait, np.maximum(action, 0) // 168, np.maximum(action, 0) % 168
        )
        return np.where(action >= 0, worth, 0.0)

    target = plan[later.segment]
    return Bandit(
        LoggedTrial(log, plan, of_actions),
        world.value(later.segment, later.trait, target // 168, target % 168),
        world.value(later.segment, later.trait, later.channel, later.slot),
    )


@dataclass(frozen=True)
class _Logged:
    """(n,) each: contacts, with which probability their channel and slot were chosen, and what they brought."""

    segment: Ints
    trait: Floats
    channel: Ints
    slot: Ints
    propensity: Floats
    reward: Floats


@dataclass(frozen=True)
class _World:
    """like, lean: (segments, channels) what is answered to, and what is sent by; hours: (segments, 168)."""

    like: Floats
    hours: Floats
    lean: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator, form: str) -> "_World":
        like = rng.normal(0, 0.7, (SEGMENTS, CHANNELS))
        hours = _hours(rng, form)
        return cls(like, hours, 0.7 * rng.dirichlet(np.full(CHANNELS, 2.0), SEGMENTS) + 0.3 / CHANNELS)

    def chance(self, segment: Ints, trait: Floats, channel: Ints, slot: Ints) -> Floats:
        liked = -2.6 + self.like[segment, channel] + self.hours[segment, slot]
        score = liked + 0.6 * trait + 0.3 * trait * (channel == 4)
        return np.asarray(1 / (1 + np.exp(-score)))

    def value(self, segment: Ints, trait: Floats, channel: Ints, slot: Ints) -> Floats:
        return np.asarray(self.chance(segment, trait, channel, slot) * _amount(trait) - COST[channel])

    def logged(self, rng: np.random.Generator, contacts: int) -> _Logged:
        segment, trait = rng.integers(0, SEGMENTS, contacts), rng.normal(0, 1, contacts)
        weight = self.lean[segment] * np.exp(np.where(np.arange(CHANNELS) == 4, 0.8, 0.0) * trait[:, None])
        on_channel = weight / weight.sum(axis=1, keepdims=True)
        channel = (
            (rng.random((contacts, 1)) > np.cumsum(on_channel, axis=1)).sum(axis=1).clip(0, CHANNELS - 1)
        )
        office = ((SLOTS % 24 < 18) & (SLOTS // 24 < 5)) * 1.0
        at = 0.8 * office / office.sum() + 0.2 / len(SLOTS)
        place = rng.choice(len(SLOTS), contacts, p=at)
        propensity = on_channel[np.arange(contacts), channel] * at[place]
        paid = rng.random(contacts) < self.chance(segment, trait, channel, SLOTS[place])
        reward = paid * _amount(trait) - COST[channel]
        return _Logged(segment, trait, channel, SLOTS[place], propensity, reward)


def _learned(log: _Logged, seed: int) -> Callable[[Ints, Floats, Ints, Ints], Floats]:
    """What a contact is worth by a staged classifier of those logged."""
    contacts = len(log.segment)
    staged = fit_staged(
        Lesson(
            log.trait[:, None].astype(np.float32),
            Cells(log.segment, np.zeros_like(log.segment), log.channel, log.slot),
            (log.reward > -COST[log.channel]).astype(np.float64),
            np.ones(contacts),
            np.arange(contacts),
            [],
            Shape(SEGMENTS + 1, 1),
        ),
        draws=0,
        seed=seed,
        threads=1,
    )

    def modelled(segment: Ints, trait: Floats, channel: Ints, slot: Ints) -> Floats:
        cells = Cells(segment, np.zeros_like(segment), channel, slot)
        chance = sigmoid(staged.margins(trait[:, None].astype(np.float32), cells, 1))
        worth: Floats = chance * _amount(trait) - COST[channel]
        return worth

    return modelled


def _amount(trait: Floats) -> Floats:
    return np.asarray(80.0 * np.exp(-0.2 * trait))


def _hours(rng: np.random.Generator, form: str) -> Floats:
    hour, weekend = np.arange(168) % 24, np.arange(168) // 24 >= 5
    if form == "bells":
        peak = rng.uniform(8, 21, (SEGMENTS, 1))
        return np.asarray(1.6 * np.exp(-((hour - peak) ** 2) / 10) - 0.4 * weekend)
    if form == "blocks":
        return np.asarray(rng.normal(0, 0.8, (SEGMENTS, 8))[:, np.clip((hour - 8) // 4, 0, 3) + 4 * weekend])
    if form == "waves":
        return np.asarray(0.9 * np.sin(2 * np.pi * hour / 12 + rng.uniform(0, 6, (SEGMENTS, 1))))
    return np.zeros((SEGMENTS, 168))


def _best_plan(modelled: object, rng: np.random.Generator) -> Ints:
    assert callable(modelled)
    trait = rng.normal(0, 1, 60)
    best = []
    for segment in range(SEGMENTS):
        channel, slot, who = (
            grid.ravel() for grid in np.meshgrid(np.arange(CHANNELS), SLOTS, np.arange(60), indexing="ij")
        )
        worth = modelled(np.full(len(who), segment), trait[who], channel, slot).reshape(-1, 60).mean(axis=1)
        top = int(worth.argmax())
        best.append(top // len(SLOTS) * 168 + SLOTS[top % len(SLOTS)])
    return np.array(best, dtype=np.int64)
