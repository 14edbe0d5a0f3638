"""Small worlds with known truth, in several functional forms, written as raw facts; they share nothing with
the product's own simulator."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.frames import Facts
from tests.ml.world_facts import COST, START, all_debtors, facts_of
from tests.ml.world_lives import (
    CHANNELS,
    SLOTS,
    Floats,
    Ints,
    Nature,
    contact,
    historical_policy,
    natures,
    pay,
    react,
)

_MEAN_SHARE_PAID = 0.72


@dataclass(frozen=True)
class World:
    """facts as imported; value: (debtors, channels, 168) true expected net money of one contact made at the
    end of the history, against leaving alone; logged: (debtors,) the same under the historical policy."""

    facts: Facts
    as_of: datetime
    debtors: list[str]
    segment: Ints
    value: Floats
    policy: Floats

    @property
    def logged(self) -> Floats:
        return np.einsum("dcs,dcs->d", self.value, self.policy)


def make_world(
    *,
    debtors: int = 3000,
    seed: int = 0,
    form: str = "bump",
    segments: int = 8,
    channels: int = 5,
    days: int = 120,
    contacts: float = 12.0,
    drift: bool = False,
    propensities: bool = True,
    own_strength: float = 1.0,
) -> World:
    """The same arguments give the same world. contacts: about how many a debtor has; form: of tastes by hour."""
    rng = np.random.default_rng(seed)
    used = [0, 1, 2, 4, 5][:channels] if channels < 6 else list(range(6))
    nature = natures(
        rng,
        form=form,
        debtors=debtors,
        segments=segments,
        channels=len(used),
        drift=drift,
        own_strength=own_strength,
    )
    policy = historical_policy(rng, segments, len(used))
    made = contact(rng, nature, policy, mean=contacts, days=days, first_weekday=START.weekday())
    reactions = react(rng, nature, made, channels=used, days=days)
    payments = pay(rng, nature, made, reactions, days=days)
    facts = facts_of(rng, nature, policy, made, reactions, payments, channels=used, propensities=propensities)
    value = _of_all_channels(_value(nature, COST[used]) * np.isinf(payments.done)[:, None, None], used, -1e3)
    chosen = _of_all_channels(policy.lean[nature.segment][:, :, None] * policy.slots, used, 0.0)
    return World(facts, START + timedelta(days=days), all_debtors(nature), nature.segment, value, chosen)


def _value(nature: Nature, cost: Floats) -> Floats:
    """(debtors, channels, 168) what a contact at the end is worth to who owes something still."""
    value = np.empty((nature.debtors, len(cost), 168))
    who, slot = np.meshgrid(np.arange(nature.debtors), SLOTS, indexing="ij")
    alone = 1 - np.exp(-nature.organic * 30)
    brings = ((1 - alone) * _MEAN_SHARE_PAID * nature.balance)[:, None]
    for code, price in enumerate(cost):
        what = who, np.full_like(who, code), slot
        value[:, code] = (
            nature.engaged(nature.after, *what) * nature.paid(nature.after, *what) * brings - price
        )
    return value


def _of_all_channels(values: Floats, used: list[int], otherwise: float) -> Floats:
    """(debtors, `CHANNELS`, 168) of those of the channels used."""
    full = np.full((len(values), len(CHANNELS), 168), otherwise)
    full[:, used] = values
    return full
