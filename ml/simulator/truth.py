"""What each action is truly worth, to hold policies against: known to the simulator alone, never given to a
learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.simulator.journey import MEAN_SHARE_PAID, SOFT_BOUNCE
from ml.simulator.policy import HistoricalPolicy
from ml.simulator.portfolio import Flags, Floats, Ints, Portfolio
from ml.simulator.records import Standing
from ml.simulator.spec import CHANNELS, HOURS, WorldSpec
from ml.simulator.tastes import Tastes

_CHUNK = 2_000
_ORGANIC_DAYS = 30


@dataclass(frozen=True, slots=True)
class Truth:
    """The true outcome of one contact made at the end of the history, for any debtor, channel and local hour
    of the week.

    n debtors, C channels (order of `CHANNELS`), 168 hours (Monday 00:00 first). Money is in the home
    currency. A contact with somebody who cannot be reached on that channel does not happen: it is worth 0
    and costs 0. keys: (n,) debtor references. segment: (n,) names, the world's own even where the facts
    leave them out. amount: (n,) expected payment if one is made; cost: (n, C); organic: (n,) P(pays within
    30 days | left alone).
    """

    keys: tuple[str, ...]
    segment: tuple[str, ...]
    amount: Floats
    cost: Floats
    organic: Floats
    active: Flags
    reachable: Flags
    deliverable: Floats
    open_hours: Flags
    recent: Floats
    people: Portfolio
    tastes: Tastes
    policy: HistoricalPolicy

    def rows(self, debtors: Sequence[str]) -> Ints:
        """Row of each reference; KeyError names one that is not in this world."""
        row = {key: index for index, key in enumerate(self.keys)}
        return np.array([row[key] for key in debtors], dtype=np.int64)

    def conversion(self, who: Ints, channel: Ints, hour: Ints, template: Ints | None = None) -> Floats:
        """P(pays because of the contact, within 30 days); rows as from `rows`, broadcasting; template None:
        on average.
        """
        arrives = (
            np.where(self.reachable[who, channel], self.deliverable[who, channel], 0.0) * self.active[who]
        )
        engaged = self.tastes.engagement(self.people, who, channel, hour, 1.0, self.recent[who])
        return arrives * engaged * self.tastes.payment(self.people, who, channel, hour, template)

    def value(self, who: Ints, channel: Ints, hour: Ints, template: Ints | None = None) -> Floats:
        """Expected net money of the contact against leaving alone, in the home currency, by broadcasting."""
        gain = self.conversion(who, channel, hour, template) * (1 - self.organic[who]) * self.amount[who]
        happens = self.reachable[who, channel] & self.active[who]
        return gain - np.where(happens, self.cost[who, channel], 0.0)

    def value_of(self, debtors: Sequence[str], channel: str, hour_of_week: int) -> Floats:
        """(len(debtors),) expected incremental net money of one contact on `channel` at that debtor-local
        hour.
        """
        who = self.rows(debtors)
        return self.value(who, np.array(CHANNELS.index(channel)), np.array(hour_of_week))

    def values(self, who: Ints) -> Floats:
        """(len(who), C, 168) value of every action; −inf outside the hours in which the debtor may be
        contacted.
        """
        channels, hours = np.arange(len(CHANNELS))[None, :, None], np.arange(HOURS)[None, None, :]
        return np.where(
            self.open_hours[who][:, None, :], self.value(who[:, None, None], channels, hours), -np.inf
        )

    def segment_values(self, labels: Sequence[str] | None = None) -> tuple[list[str], Floats]:
        """Segment names and (S, C, 168) total value of one action for all of a segment; closed hours count
        0.

        labels: (n,) another way of segmenting; default the world's own.
        """
        names, index = np.unique(
            np.array(labels if labels is not None else self.segment), return_inverse=True
        )
        total = np.zeros((len(names), len(CHANNELS), HOURS))
        for start in range(0, len(self.keys), _CHUNK):
            who = np.arange(start, min(start + _CHUNK, len(self.keys)))
            table = self.values(who)
            np.add.at(total, index[who], np.where(np.isfinite(table), table, 0.0))
        return [str(name) for name in names], total

    def benchmarks(self, labels: Sequence[str] | None = None) -> dict[str, float]:
        """Mean value per debtor of: the historical policy, the best fixed action, the best action per
        segment (or none where none is worth it), and the best per debtor. Share of the way of a policy = (v
        − historical) / (segment_oracle − historical).
        """
        _, total = self.segment_values(labels)
        count = len(self.keys)
        historical = best = 0.0
        for start in range(0, count, _CHUNK):
            who = np.arange(start, min(start + _CHUNK, count))
            table = self.values(who)
            best += float(np.maximum(table.max(axis=(1, 2)), 0.0).sum())
            historical += float(self._historical(who, np.where(np.isfinite(table), table, 0.0)).sum())
        per_segment = np.maximum(total.max(axis=(1, 2)), 0.0)
        return {
            "historical": historical / count,
            "best_fixed": float(total.sum(axis=0).max()) / count,
            "segment_oracle": float(per_segment.sum()) / count,
            "debtor_optimum": best / count,
        }

    def _historical(self, who: Ints, table: Floats) -> Floats:
        channel, hour = self.policy.probabilities(who, self.reachable[who], self.open_hours[who])
        return np.asarray((channel[:, :, None] * hour * table).sum(axis=(1, 2)))

    def actions(self) -> pl.DataFrame:
        """segment, channel, hour_of_week, debtors, value: mean true value per debtor of the segment."""
        names, total = self.segment_values()
        size = dict(zip(*np.unique(np.array(self.segment), return_counts=True), strict=True))
        count = np.array([size[name] for name in names])
        return pl.DataFrame(
            {
                "segment": np.repeat(names, len(CHANNELS) * HOURS),
                "channel": np.tile(np.repeat(CHANNELS, HOURS), len(names)),
                "hour_of_week": np.tile(np.arange(HOURS), len(names) * len(CHANNELS)),
                "debtors": np.repeat(count, len(CHANNELS) * HOURS),
                "value": (total / count[:, None, None]).ravel(),
            }
        )


def build_truth(
    world: WorldSpec,
    people: Portfolio,
    tastes: Tastes,
    policy: HistoricalPolicy,
    standing: Standing,
    rates: dict[str, float],
    cost_in_euros: Floats,
    end_day: int,
) -> Truth:
    """The truth as of the end of the history; rates: units of the home currency for one of each."""
    account = _account_in_focus(people, standing.balance)
    balance = standing.balance[account]
    rate = np.array([rates[country.currency] for country in world.countries])
    scale = np.array([country.scale for country in world.countries])
    cost = cost_in_euros[None, :] * (scale * rate)[people.country][:, None]
    asked_off = standing.paused_until > end_day
    return Truth(
        keys=tuple(f"D{index:07d}" for index in range(people.size)),
        segment=tuple(people.segment_keys[index] for index in people.segment),
        amount=balance * MEAN_SHARE_PAID * rate[people.account_currency[account]],
        cost=cost,
        organic=-np.expm1(-_ORGANIC_DAYS * tastes.organic) * (balance > 0.005),
        active=(balance > 0.005) & ~asked_off,
        reachable=standing.reachable,
        deliverable=(1 - SOFT_BOUNCE) * ~standing.bad_address,
        open_hours=standing.open_hours,
        recent=standing.recent,
        people=people,
        tastes=tastes,
        policy=policy,
    )


def _account_in_focus(people: Portfolio, balance: Floats) -> Ints:
    account, last = people.first_account[:-1].copy(), people.first_account[1:] - 1
    for _ in range(2):
        account = np.where((balance[account] < 0.005) & (account < last), account + 1, account)
    return account
