"""How contacts have been sent so far: by a policy that follows traits of the debtor which also drive
payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np

from ml.simulator.portfolio import Flags, Floats, Ints, Portfolio
from ml.simulator.spec import CHANNELS, HOURS, WorldSpec
from ml.simulator.tastes import LAWFUL_BY_DEFAULT

_HOUR = np.arange(HOURS) % 24
_WEEKDAY = np.arange(HOURS) // 24
_ATTITUDE = np.array([1.2, 0.7, -0.4, -0.6, -0.2, 0.1])


class Policy(Protocol):
    """Chooses the channel and local hour of the week of each planned contact."""

    def choose(
        self, rng: np.random.Generator, who: Ints, reachable: Flags, open_hours: Flags
    ) -> tuple[Ints, Ints, Floats]:
        """Per debtor of `who`: channel (−1: not contacted after all), hour of week, and the probability with which both
        were chosen.

        reachable: (len(who), C), at least one each; open_hours: (len(who), 168), at least one each.
        """
        ...


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """From the first Monday on or after `on`, contacts are chosen by `policy`."""

    on: date
    policy: Policy


@dataclass(frozen=True, slots=True)
class HistoricalPolicy:
    """channel_weight: (n, C) before reachability; hours: (G, C, 168) sum 1; group: (n,) which row of
    `hours`.

    With probability `exploration` the channel (the hour) is drawn evenly from the reachable channels (the
    open hours).
    """

    exploration: float
    channel_weight: Floats
    hours: Floats
    group: Ints

    def probabilities(self, who: Ints, reachable: Flags, open_hours: Flags) -> tuple[Floats, Floats]:
        """(len(who), C) P(channel) and (len(who), C, 168) P(hour | channel), zero where not reachable or not
        open.
        """
        weight = self.channel_weight[who] * reachable
        even = reachable / np.maximum(reachable.sum(axis=1, keepdims=True), 1)
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        channel = (1 - self.exploration) * weight / total + self.exploration * even
        hour = self.hours[self.group[who]] * open_hours[:, None, :]
        evenly = open_hours / np.maximum(open_hours.sum(axis=1, keepdims=True), 1)
        hour = hour / np.maximum(hour.sum(axis=2, keepdims=True), 1e-300)
        return channel, (1 - self.exploration) * hour + self.exploration * evenly[:, None, :]

    def choose(
        self, rng: np.random.Generator, who: Ints, reachable: Flags, open_hours: Flags
    ) -> tuple[Ints, Ints, Floats]:
        """See `Policy.choose`."""
        rows = np.arange(len(who))
        weight = self.channel_weight[who] * reachable
        even = reachable / reachable.sum(axis=1, keepdims=True)
        chance = (1 - self.exploration) * weight / weight.sum(axis=1, keepdims=True) + self.exploration * even
        channel = _draw(rng, chance)
        hours = self.hours[self.group[who], channel] * open_hours
        hours = (1 - self.exploration) * hours / hours.sum(axis=1, keepdims=True)
        hours += self.exploration * open_hours / open_hours.sum(axis=1, keepdims=True)
        hour = _draw(rng, hours)
        return channel, hour, chance[rows, channel] * hours[rows, hour]


def _draw(rng: np.random.Generator, chance: Floats) -> Ints:
    """One column per row with the probabilities of that row, never one of probability 0."""
    edges = chance.cumsum(axis=1)
    at = rng.random(len(chance))[:, None] * edges[:, -1:]
    return np.asarray(np.minimum((edges <= at).sum(axis=1), chance.shape[1] - 1), dtype=np.int64)


def build_policy(rng: np.random.Generator, world: WorldSpec, people: Portfolio) -> HistoricalPolicy:
    """Phones the risky and the large, writes letters to the late, and sends mostly on workday mornings."""
    risk = (people.risk_score - 50) / 20 * world.confounding
    first = people.first_account[:-1]
    scale = np.array([c.scale for c in world.countries])[people.account_currency[first]]
    size = np.log(people.principal[first] / scale / 250.0) * world.confounding
    score = np.broadcast_to(_ATTITUDE, (people.size, len(CHANNELS))).copy()
    score[:, CHANNELS.index("VOICE")] += 0.5 * risk + 0.5 * size
    score[:, CHANNELS.index("LETTER")] += 0.5 * people.stage + 0.2 * size
    score[:, CHANNELS.index("SMS")] -= 0.2 * risk
    score[:, CHANNELS.index("WHATSAPP")] -= 0.4 * (people.age - 1)
    in_use = np.array([name in world.channels for name in CHANNELS])
    return HistoricalPolicy(
        exploration=world.exploration,
        channel_weight=np.exp(score) * in_use,
        hours=_sending_hours(rng),
        group=people.stage * 3 + people.age,
    )


def _sending_hours(rng: np.random.Generator) -> Floats:
    """(9, C, 168): groups are stage × age; mostly workday mornings, calls in office hours, some evenings."""
    groups = (9, len(CHANNELS), 1)
    start = rng.normal(9.8, 0.7, groups)
    morning = np.exp(-0.5 * ((_HOUR + 0.5 - start) / 1.6) ** 2)
    evening = rng.uniform(0.05, 0.4, groups) * np.exp(-0.5 * ((_HOUR + 0.5 - 17.5) / 1.5) ** 2)
    hours = (morning + evening) * np.where(_WEEKDAY >= 5, rng.uniform(0.03, 0.2, groups), 1.0)
    calls = ((_HOUR >= 9) & (_HOUR < 18) & (_WEEKDAY < 5)) + 0.02
    hours[:, CHANNELS.index("VOICE")] = calls * (1 + 0.3 * morning[:, CHANNELS.index("VOICE")])
    hours = (hours + 1e-4) * LAWFUL_BY_DEFAULT
    return np.asarray(hours / hours.sum(axis=2, keepdims=True))
