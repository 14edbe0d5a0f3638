"""The hidden law of a world: who engages with which channel at which local hour of the week, and who then
pays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.simulator.portfolio import AGES, PRODUCTS, STAGES, Floats, Ints, Portfolio
from ml.simulator.spec import CHANNELS, FIRST_LAWFUL_HOUR, HOURS, LAST_LAWFUL_HOUR, HourShape, Link, WorldSpec

TEMPLATES_PER_CHANNEL = 3

_HOUR = np.arange(HOURS) % 24
_WEEKDAY = np.arange(HOURS) // 24
_WEEKEND = _WEEKDAY >= 5
LAWFUL_BY_DEFAULT = (_HOUR >= FIRST_LAWFUL_HOUR) & (_HOUR <= LAST_LAWFUL_HOUR)

# In the order of CHANNELS; rows of the tables below: AGES, PRODUCTS.
_ENGAGE_BASE = np.array([-1.75, -1.75, -1.75, -1.85, -2.0, -2.1])
_PAY_BASE = np.array([-1.4, -1.5, -1.5, -1.6, -1.3, -1.1])
_AGE_CHANNEL = np.array(
    [[-0.4, 0.2, 0.9, 0.8, -1.0, -1.0], [0.4, 0.2, 0.0, 0.0, -0.1, 0.0], [-0.1, -0.2, -0.9, -1.0, 0.8, 1.0]]
)
_PRODUCT_CHANNEL = np.array(
    [
        [0.3, 0.1, 0.0, 0.4, -0.3, -0.2],
        [0.2, -0.3, -0.2, -0.3, 0.3, 0.5],
        [-0.4, 0.5, 0.5, 0.2, -0.4, -0.3],
        [0.0, -0.1, -0.2, -0.3, 0.5, 0.1],
    ]
)
_PEAK_BY_AGE = np.array([19.0, 17.5, 10.5])
_PEAK_BY_PRODUCT = np.array([0.5, -3.0, 1.0, -1.5])


@dataclass(frozen=True, slots=True)
class Tastes:
    """Tables on the link's scale; S segments, C channels, n debtors.

    before, after: (S, C, 168) at the start and towards the end of the history; rhythm: (4, 168); personal:
    (n, C); pay_action: (S, C), pay_hour: (S, 168), pay_debtor: (n,) log-odds; organic: (n,) daily hazard of
    paying uncontacted; template_factor: (stages, C, 3), multiplies the probability of paying, mean 1 over
    the templates of a channel.
    """

    link: Link
    fatigue: float
    conversion: float
    before: Floats
    after: Floats
    rhythm: Floats
    personal: Floats
    pay_action: Floats
    pay_hour: Floats
    pay_debtor: Floats
    organic: Floats
    template_factor: Floats

    def engagement(
        self, people: Portfolio, who: Ints, channel: Ints, hour: Ints, shift: float | Floats, recent: Floats
    ) -> Floats:
        """P(engaged | delivered) by broadcasting; shift: 0 (before) to 1 (after); recent: contacts in the
        last 7 days.
        """
        segment = people.segment[who]
        score = (1 - shift) * self.before[segment, channel, hour] + shift * self.after[segment, channel, hour]
        score = score + self.rhythm[people.rhythm[who], hour] + self.personal[who, channel]
        return _respond(self.link, score - self.fatigue * np.log1p(recent))

    def payment(
        self, people: Portfolio, who: Ints, channel: Ints, hour: Ints, template: Ints | None = None
    ) -> Floats:
        """P(pays because of it | engaged) by broadcasting, on an average day of the month; template None: on
        average.
        """
        segment = people.segment[who]
        score = self.pay_action[segment, channel] + self.pay_hour[segment, hour] + self.pay_debtor[who]
        chance = self.conversion / (1 + np.exp(-score))
        if template is not None:
            chance = chance * self.template_factor[people.stage[who], channel, template]
        return np.minimum(chance, 0.9)


def _respond(link: Link, score: Floats) -> Floats:
    if link == "logit":
        return 1 / (1 + np.exp(-score))
    if link == "log":
        return np.minimum(np.exp(score), 0.9)
    if link == "cloglog":
        return np.minimum(-np.expm1(-np.exp(score)), 0.95)
    return 0.03 + 0.36 / (1 + np.exp(-5.0 * (score + 1.75)))


def build_tastes(rng: np.random.Generator, world: WorldSpec, people: Portfolio) -> Tastes:
    """The tables of `world` for `people`."""
    before = _actions(rng, world, people)
    if world.drift == "none":
        after = before
    else:
        keep = 0.7 if world.drift == "slow" else 0.35
        base = _ENGAGE_BASE[None, :, None]
        after = base + keep * (before - base) + np.sqrt(1 - keep**2) * (_actions(rng, world, people) - base)
    segments = len(people.segment_keys)
    stage = np.arange(segments) // (segments // 3)
    pay_action = _PAY_BASE + 0.35 * world.channel_weight * rng.normal(0, 1, (segments, len(CHANNELS)))
    pay_hour = 0.25 * _centred(_hours(rng, world.hour_shape, segments, 1))[:, 0]
    first = people.first_account[:-1]
    scale = np.array([c.scale for c in world.countries])[people.account_currency[first]]
    size = np.log(people.principal[first] / scale / 250.0)
    template = rng.normal(0, 0.22, (len(STAGES), len(CHANNELS), TEMPLATES_PER_CHANNEL))
    return Tastes(
        link=world.link,
        fatigue=world.fatigue,
        conversion=world.conversion,
        before=before,
        after=after,
        rhythm=world.rhythm_weight * _rhythm_hours(),
        personal=world.personal * rng.normal(0, 1, (people.size, len(CHANNELS)))
        + 0.2 * people.ability[:, None],
        pay_action=pay_action - 0.15 * stage[:, None],
        pay_hour=pay_hour,
        pay_debtor=0.6 * people.ability - 0.18 * size,
        organic=world.organic * 0.0017 * np.exp(0.7 * people.ability - 0.3 * people.stage),
        template_factor=np.exp(template) / np.exp(template).mean(axis=2, keepdims=True),
    )


def _actions(rng: np.random.Generator, world: WorldSpec, people: Portfolio) -> Floats:
    """(S, C, 168) score of engaging: base + liking of the channel + liking of the hour (mean 0 over 08–21).

    Likings have a part common to all, one of the stage, age and product, and where segments are tiny one of
    their own.
    """
    codes, channels = len(STAGES) * len(AGES) * len(PRODUCTS), len(CHANNELS)
    each = len(people.segment_keys) // codes
    code = np.arange(codes)
    stage, age, product = code // 12, code // 4 % 3, code % 4
    liking = 0.9 * _AGE_CHANNEL[age] + 0.8 * _PRODUCT_CHANNEL[product] - 0.12 * stage[:, None]
    liking = liking + 0.4 * rng.normal(0, 1, (codes, channels)) + 0.4 * rng.normal(0, 1, channels)
    peaks = _PEAK_BY_AGE[age] + _PEAK_BY_PRODUCT[product]
    hours = 0.7 * _hours(rng, world.hour_shape, codes, channels, peaks)
    hours = hours + 0.5 * _hours(rng, world.hour_shape, 1, channels)
    if each > 1:
        own = _hours(rng, world.hour_shape, codes * each, channels)
        hours = 0.9 * np.repeat(hours, each, axis=0) + 0.35 * own
        liking = np.repeat(liking, each, axis=0) + 0.3 * rng.normal(0, 1, (codes * each, channels))
    return (
        _ENGAGE_BASE[None, :, None]
        + world.channel_weight * liking[:, :, None]
        + world.hour_weight * _centred(hours)
    )


def _centred(table: Floats) -> Floats:
    return np.asarray(table - table[..., LAWFUL_BY_DEFAULT].mean(axis=-1, keepdims=True))


def _hours(
    rng: np.random.Generator, shape: HourShape, segments: int, channels: int, peaks: Floats | None = None
) -> Floats:
    """(segments, channels, 168) liking of hours; `peaks`: (segments,) hour of day around which bells stand."""
    size = (segments, channels, 1)
    peak = (rng.uniform(8.5, 20.5, segments) if peaks is None else peaks)[:, None, None]
    peak = np.clip(peak + rng.normal(0, 1.3, (segments, 1, 1)) + rng.normal(0, 0.7, size), 8.5, 20.5)
    workday = np.where(_WEEKEND, rng.normal(-0.25, 0.45, (segments, 1, 1)), 0.0)
    day = rng.normal(0, 0.22, (segments, 1, 7))[..., _WEEKDAY] + workday
    if shape == "bells":
        second = rng.uniform(0.2, 0.7, size) * _bell(21.5 - (peak - 8.5) * 0.9, 1.8)
        return 2.1 * np.maximum(_bell(peak, rng.uniform(1.3, 2.2, size)), second) + day
    if shape == "office":
        commute = np.maximum(_bell(8.3, 1.0), _bell(18.5 + rng.normal(0, 0.8, size), 1.4))
        lunch = _bell(13.0 + rng.normal(0, 0.7, size), 1.0)
        mix = rng.dirichlet([1.0, 1.0, 0.6], (segments, channels))[..., None]
        week = mix[..., 0, :] * commute + mix[..., 1, :] * lunch + mix[..., 2, :] * _bell(10.5, 1.5)
        weekend = 0.7 * _bell(rng.uniform(10, 19, size), 3.0)
        return 3.2 * np.where(_WEEKEND, weekend, week) + 0.6 * day
    if shape == "blocks":
        liked = rng.random((segments, 1, 14)) + 0.3 * rng.random((segments, channels, 14)) > 0.8
        block = np.clip((_HOUR - 7) // 2, 0, 6) + 7 * _WEEKEND
        return np.where(liked, 1.0, -0.6)[..., block] + 0.5 * day
    phase = rng.uniform(0, 2 * np.pi, (segments, 1, 1)) + rng.normal(0, 0.4, size)
    daily = np.sin(2 * np.pi * _HOUR / 12 + phase)
    weekly = np.sin(2 * np.pi * np.arange(HOURS) / HOURS + rng.uniform(0, 2 * np.pi, size))
    return 0.9 * daily + 0.5 * weekly + day


def _bell(centre: Floats | float, width: Floats | float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((_HOUR + 0.5 - centre) / width) ** 2))


def _rhythm_hours() -> Floats:
    """(4, 168) in the order of `RHYTHMS`, mean 0 over 08–21."""
    table = np.stack([_bell(9.0, 2.0), _bell(13.0, 1.8), _bell(19.5, 2.0), _WEEKEND * 0.9])
    return 1.6 * _centred(table)
