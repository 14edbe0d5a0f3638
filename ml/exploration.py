"""Choosing with some chance, so that what is logged can later tell what another choice would have brought.

The policy is a softmax over what each contact is worth, and leaving alone, with a floor under every probability. It
chooses only among what it is given: what the contact rules forbid is not there. Source: docs/adr/0012.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints
from ml.candidates import LEAVE_ALONE, Candidates


@dataclass(frozen=True)
class Policy:
    """How a choice is made. floor: the share of choices spread evenly. temperature: of the softmax, as a share of the
    best choice's worth; floor 0 and temperature 0: always what is recommended."""

    floor: float
    temperature: float

    @property
    def version(self) -> str:
        """What decisions record, e.g. SOFTMAX_0.05_0.02@1."""
        return f"SOFTMAX_{self.floor:g}_{self.temperature:g}@1" if self.floor else "RECOMMENDED@1"


EXPLORING = Policy(floor=0.05, temperature=0.02)
RECOMMENDED = Policy(floor=0.0, temperature=0.0)


@dataclass(frozen=True)
class Choices:
    """Per debtor: chosen (channel · 168 + hour of week, or LEAVE_ALONE), the exact probability with which the policy
    chooses just that, whether it is other than what is recommended, and of how many it was chosen."""

    chosen: Ints
    propensity: Floats
    explored: tuple[bool, ...]
    eligible: Ints


def distribution(net: Floats, recommended: int, policy: Policy) -> Floats:
    """(m + 1,) probability of each of m contacts and, last, of leaving alone.

    net: (m,) what each contact is worth against leaving alone. recommended: position of what is recommended, m for
    leaving alone; it counts as worth no less than any other.
    """
    worth = np.append(net, 0.0)
    count = len(worth)
    if policy.floor == 0.0:
        return np.asarray(np.arange(count) == recommended, dtype=float)
    worth[recommended] = worth.max()
    scale = policy.temperature * max(float(np.abs(worth).max()), 1e-9)
    weight = np.exp((worth - worth.max()) / scale)
    return np.asarray(policy.floor / count + (1.0 - policy.floor) * weight / weight.sum())


def choose(found: Candidates, policy: Policy, *, seed: int, keys: Sequence[int]) -> Choices:
    """Draw each debtor's choice. keys: (n,) the debtors' own numbers: with `seed` they fix the draw."""
    chosen, propensity, explored, eligible = [], [], [], []
    for row, key in enumerate(keys):
        open_ = np.flatnonzero(np.isfinite(found.net[row].ravel()))
        options = np.append(open_, LEAVE_ALONE)
        recommended = int(np.flatnonzero(options == found.recommended[row])[0])
        chance = distribution(found.net[row].ravel()[open_], recommended, policy)
        pick = _draw(chance, seed, key)
        chosen.append(int(options[pick]))
        propensity.append(float(chance[pick]))
        explored.append(pick != recommended)
        eligible.append(len(options))
    return Choices(
        np.array(chosen, dtype=np.int64), np.array(propensity), tuple(explored), np.array(eligible)
    )


def _draw(chance: Floats, seed: int, key: int) -> int:
    point = np.random.default_rng([seed, key]).random()
    return min(int(np.searchsorted(np.cumsum(chance), point, side="right")), int(np.flatnonzero(chance)[-1]))
