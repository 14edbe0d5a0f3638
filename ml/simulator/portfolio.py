"""Who owes what: debtors with their traits (some of them hidden from the facts) and their accounts, as
arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from ml.simulator.spec import CHANNELS, WorldSpec

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

STAGES = ("EARLY", "MID", "LATE")
AGES = ("YOUNG", "MIDDLE", "SENIOR")
PRODUCTS = ("CARD", "LOAN", "TELCO", "UTILITY")
INCOME_BANDS = ("LOW", "MID", "HIGH")
RHYTHMS = ("MORNING", "NOON", "EVENING", "WEEKEND")

_PRODUCT_SIZE = np.array([420.0, 950.0, 140.0, 260.0])
_DAYS_PAST_DUE_AT_ENTRY = ((4, 30), (31, 90), (91, 300))
_YEARS = ((19, 32), (33, 57), (58, 84))
_RHYTHM_BY_AGE = np.array([[0.12, 0.18, 0.5, 0.2], [0.25, 0.25, 0.3, 0.2], [0.5, 0.25, 0.1, 0.15]])
_HAS_PHONE_LIKE = {"EMAIL": 0.9, "SMS": 0.94, "WHATSAPP": 0.8, "PUSH": 0.35, "LETTER": 0.97, "VOICE": 0.94}


@dataclass(frozen=True, slots=True)
class Portfolio:
    """n debtors, m accounts (sorted by debtor, then due date), C channels of `CHANNELS`.

    Hidden from the facts: ability, rhythm, proxy, scanner. segment: (n,) index into segment_keys. entry_day:
    the day of the history on which collection starts. reachable: (n, C) at the start. first_account: (n +
    1,) offsets.
    """

    country: Ints
    region: Ints
    stage: Ints
    age: Ints
    product: Ints
    segment: Ints
    segment_keys: tuple[str, ...]
    birth_day: Ints
    customer_day: Ints
    income: Ints
    ability: Floats
    risk_score: Floats
    rhythm: Ints
    proxy: Flags
    scanner: Flags
    entry_day: Ints
    has_address: Flags
    reachable: Flags
    first_account: Ints
    owner: Ints
    account_product: Ints
    account_currency: Ints
    principal: Floats
    due_day: Ints
    agent: Ints

    @property
    def size(self) -> int:
        """Number of debtors."""
        return len(self.country)


def epoch_day(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)) // timedelta(days=1)


def build_portfolio(rng: np.random.Generator, world: WorldSpec, debtors: int, start: date) -> Portfolio:
    """A portfolio of `debtors` debtors whose history begins on `start`."""
    n, first = debtors, epoch_day(start)
    shares = np.array([country.share for country in world.countries])
    country = rng.choice(len(shares), n, p=shares / shares.sum())
    region = (rng.random(n) * np.array([len(c.regions) for c in world.countries])[country]).astype(np.int64)
    stage = rng.choice(3, n, p=[0.48, 0.31, 0.21])
    age = rng.choice(3, n, p=[0.2, 0.58, 0.22])
    product = rng.choice(4, n, p=[0.38, 0.22, 0.26, 0.14])
    segment, keys = _segments(world, country, region, stage, age, product)
    ability = rng.normal(0.15 * (age - 1) - 0.25 * (stage - 1), 1.0, n)
    entry = np.where(rng.random(n) < 0.55, 0, rng.integers(0, max(1, int(world.days * 0.95)), n))
    has_address = np.stack([rng.random(n) < _HAS_PHONE_LIKE[name] for name in CHANNELS], axis=1)
    phone = has_address[:, CHANNELS.index("SMS")]
    for name in ("WHATSAPP", "VOICE"):
        has_address[:, CHANNELS.index(name)] &= phone
    has_address[:, CHANNELS.index("VOICE")] = phone
    in_use = np.array([name in world.channels for name in CHANNELS])
    birth = first - _between(rng, _YEARS, age) * 365 - rng.integers(0, 365, n)
    accounts = _accounts(rng, world, country, stage, product, ability, first + entry)
    return Portfolio(
        country=country,
        region=region,
        stage=stage,
        age=age,
        product=product,
        segment=segment,
        segment_keys=keys,
        birth_day=birth,
        customer_day=np.maximum(first - rng.integers(200, 3600, n), birth + 18 * 366),
        income=np.clip(np.round(1 + 0.6 * ability + rng.normal(0, 0.6, n)), 0, 2).astype(np.int64),
        ability=ability,
        risk_score=np.clip(50 - 14 * ability + rng.normal(0, 11, n), 1, 99),
        rhythm=_rhythms(rng, age),
        proxy=rng.random(n) < 0.28,
        scanner=rng.random(n) < 0.06,
        entry_day=entry,
        has_address=has_address,
        reachable=has_address & in_use,
        **accounts,
    )


def _segments(
    world: WorldSpec, country: Ints, region: Ints, stage: Ints, age: Ints, product: Ints
) -> tuple[Ints, tuple[str, ...]]:
    """(n,) index and the keys, such as EARLY-YOUNG-CARD, or EARLY-YOUNG-CARD-ES-MD where segments are tiny."""
    code = (stage * 3 + age) * 4 + product
    keys = [f"{s}-{a}-{p}" for s in STAGES for a in AGES for p in PRODUCTS]
    if world.segmentation == "stage-age-product":
        return code, tuple(keys)
    places = [name for c in world.countries for name in c.regions]
    before = np.cumsum([0, *(len(c.regions) for c in world.countries)])
    place = before[country] + region
    return code * len(places) + place, tuple(f"{key}-{name}" for key in keys for name in places)


def _between(rng: np.random.Generator, bounds: tuple[tuple[int, int], ...], of: Ints) -> Ints:
    low, high = np.array(bounds).T
    return np.asarray(rng.integers(low[of], high[of] + 1), dtype=np.int64)


def _rhythms(rng: np.random.Generator, age: Ints) -> Ints:
    edges = _RHYTHM_BY_AGE.cumsum(axis=1)[age][:, :-1]
    return np.asarray((rng.random(len(age))[:, None] > edges).sum(axis=1), dtype=np.int64)


class _Accounts(TypedDict):
    first_account: Ints
    owner: Ints
    account_product: Ints
    account_currency: Ints
    principal: Floats
    due_day: Ints
    agent: Ints


def _accounts(
    rng: np.random.Generator,
    world: WorldSpec,
    country: Ints,
    stage: Ints,
    product: Ints,
    ability: Floats,
    entry: Ints,
) -> _Accounts:
    """1 to 3 accounts per debtor; now and then one in the first country's currency instead of the debtor's
    own.
    """
    n = len(country)
    count = rng.choice([1, 2, 3], n, p=[0.82, 0.15, 0.03])
    owner = np.repeat(np.arange(n), count)
    first_account = np.concatenate([[0], np.cumsum(count)])
    extra = np.ones(len(owner), dtype=bool)
    extra[first_account[:-1]] = False
    kind = np.where(extra, rng.choice(4, len(owner)), product[owner])
    currency = np.where(extra & (rng.random(len(owner)) < 0.08), 0, country[owner])
    scale = np.array([c.scale for c in world.countries])[currency]
    size = _PRODUCT_SIZE[kind] * rng.lognormal(0.0, 0.55, len(owner)) * np.exp(0.12 * ability[owner])
    due = entry[owner] - _between(rng, _DAYS_PAST_DUE_AT_ENTRY, stage[owner])
    due = np.where(extra, due + rng.integers(5, 80, len(owner)), due)
    order = np.lexsort((due, owner))
    return {
        "first_account": first_account,
        "owner": owner,
        "account_product": kind[order],
        "account_currency": currency[order],
        "principal": np.round(np.maximum(size * scale, 12.0 * scale), 2)[order],
        "due_day": due[order],
        "agent": rng.integers(0, 25, len(owner)),
    }
