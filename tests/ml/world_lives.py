"""What happens in a small world: who its debtors are, when they are contacted, how they react, when they pay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "LETTER", "VOICE")
SLOTS = np.arange(168)
LAWFUL = (SLOTS % 24 >= 8) & (SLOTS % 24 < 21)
DAY = 86400.0
"""In seconds, as all that happens is told: from the start of the history on."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RHYTHMS = 4
_MEDIAN_LOG_SECONDS_TO_OPEN = np.array([8.5, 7.0, 7.0, 7.0, 12.0, 3.0])


@dataclass(frozen=True)
class Taste:
    """(segments, channels, 168) logits: of engaging with a contact, and of paying once engaged."""

    engaged: Floats
    paid: Floats


@dataclass(frozen=True)
class Nature:
    """What is true of the debtors. before, after: tastes of the history's halves, the same where nothing drifts.

    own: (debtors, channels) and own_hour: (rhythms, 168) add to the logit of engaging, will: (debtors,) to that of
    paying. late: days past due at the start. organic: payments a day when left alone.
    """

    segment: Ints
    rhythm: Ints
    own: Floats
    own_hour: Floats
    before: Taste
    after: Taste
    balance: Floats
    late: Ints
    will: Floats
    organic: Floats

    @property
    def debtors(self) -> int:
        return len(self.segment)

    def engaged(self, taste: Taste, who: Ints, channel: Ints, slot: Ints) -> Floats:
        """Probability of engaging."""
        shared = taste.engaged[self.segment[who], channel, slot]
        return sigmoid(shared + self.own[who, channel] + self.own_hour[self.rhythm[who], slot])

    def paid(self, taste: Taste, who: Ints, channel: Ints, slot: Ints) -> Floats:
        """Probability of paying for who has engaged."""
        return sigmoid(taste.paid[self.segment[who], channel, slot] + self.will[who])


@dataclass(frozen=True)
class Policy:
    """How contacts are chosen, whoever the debtor is: lean (segments, channels), slots (168,); each row sums to 1."""

    lean: Floats
    slots: Floats


@dataclass(frozen=True)
class Contacts:
    """One each, in no order."""

    who: Ints
    channel: Ints
    slot: Ints
    sent: Floats


@dataclass(frozen=True)
class Reactions:
    """Of each contact: delays in seconds, of paying from the opening on. full: all is paid, not a part."""

    engaged: Bools
    open_delay: Floats
    paid: Bools
    pay_delay: Floats
    full: Bools


@dataclass(frozen=True)
class Payments:
    """One each. done: (debtors,) when a debtor had paid in full, infinite: never; nothing is paid after it."""

    who: Ints
    at: Floats
    full: Bools
    done: Floats


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _logit(p: Floats) -> Floats:
    return np.asarray(np.log(p / (1 - p)))


def _hour_taste(rng: np.random.Generator, form: str, rows: int, strength: float) -> Floats:
    """(rows, 168) logit shifts by hour of week."""
    hour, weekday = SLOTS % 24, SLOTS // 24
    if form == "bump":
        peak = rng.uniform(8, 21, (rows, 1))
        weekend = rng.normal(0, 0.5, (rows, 1)) * (weekday >= 5)
        return strength * (2 * np.exp(-((hour - peak) ** 2) / 12) - 0.8) + weekend
    if form == "steps":
        part = np.digitize(hour, [11, 14, 17])
        return (
            strength * rng.normal(0, 0.9, (rows, 4))[:, part]
            + strength * rng.normal(0, 0.5, (rows, 7))[:, weekday]
        )
    if form == "blocks":
        block = np.clip((hour - 8) // 3, 0, 4) + 5 * (weekday >= 5)
        return strength * rng.normal(0, 1.0, (rows, 10))[:, block]
    phase, turn = rng.uniform(0, 2 * np.pi, (2, rows, 1))
    wave = np.cos(2 * np.pi * hour / 24 * 2 + phase) + 0.5 * np.cos(2 * np.pi * weekday / 7 + turn)
    return strength * wave


def _taste(rng: np.random.Generator, form: str, segments: int, channels: int) -> Taste:
    shape = (segments, channels, 168)
    hours = _hour_taste(rng, form, segments * channels, 0.7).reshape(shape)
    common = _hour_taste(rng, form, channels, 0.4)
    engaged = _logit(np.linspace(0.3, 0.15, channels)) + rng.normal(0, 0.5, shape[:2])
    paid = _logit(rng.uniform(0.06, 0.2, channels)) + rng.normal(0, 0.5, shape[:2])
    paid_hours = _hour_taste(rng, form, segments * channels, 0.7).reshape(shape)
    return Taste(engaged[:, :, None] + hours + common[None], paid[:, :, None] + 0.3 * paid_hours)


def natures(
    rng: np.random.Generator,
    *,
    form: str,
    debtors: int,
    segments: int,
    channels: int,
    drift: bool,
    own_strength: float,
) -> Nature:
    """Who the debtors are."""
    sizes = rng.dirichlet(np.full(segments, 3.0 if segments < 30 else 0.7))
    segment = rng.choice(segments, debtors, p=sizes)
    rhythm = rng.choice(_RHYTHMS, debtors)
    own = rng.normal(0, 0.5 * own_strength, (debtors, channels))
    own = own + rng.normal(0, 0.6 * own_strength, (debtors, 1))
    before, after = (_taste(rng, form, segments, channels) for _ in range(2))
    own_hour = own_strength * _hour_taste(rng, form, _RHYTHMS, 0.8)
    balance = np.exp(rng.normal(5.5, 0.9, debtors))
    late = rng.integers(5, 200, debtors)
    will = -0.3 * (np.log(balance) - 5.5) - 0.003 * (late - 100) + rng.normal(0, 0.4 * own_strength, debtors)
    organic = np.clip(0.004 * np.exp(0.6 * will), 0, 0.05)
    return Nature(
        segment, rhythm, own, own_hour, before if drift else after, after, balance, late, will, organic
    )


def historical_policy(rng: np.random.Generator, segments: int, channels: int) -> Policy:
    """Each segment's own channels, mostly in office hours."""
    lean = rng.dirichlet(np.full(channels, 2.0), segments)
    busy = 1.0 * ((SLOTS % 24 >= 8) & (SLOTS % 24 < 18)) * np.where(SLOTS // 24 < 5, 1.0, 0.15)
    busy += 0.25 * LAWFUL
    return Policy(lean, busy / busy.sum())


def contact(
    rng: np.random.Generator, nature: Nature, policy: Policy, *, mean: float, days: int, first_weekday: int
) -> Contacts:
    """About `mean` contacts per debtor, fewer where weekends thin them out."""
    who = np.repeat(np.arange(nature.debtors), rng.poisson(mean, nature.debtors))
    day = rng.integers(0, days, len(who))
    last_channel = policy.lean.shape[1] - 1
    channel = _drawn(rng, np.cumsum(policy.lean[nature.segment[who]], axis=1), last_channel)
    weekday = (first_weekday + day) % 7
    by_day = policy.slots.reshape(7, 24)
    within = by_day / by_day.sum(1, keepdims=True)
    hour = _drawn(rng, np.cumsum(within[weekday], axis=1), 23)
    keep = rng.random(len(who)) < by_day.sum(1)[weekday] * 5
    who, day, channel, weekday, hour = who[keep], day[keep], channel[keep], weekday[keep], hour[keep]
    sent = day * DAY + hour * 3600 + rng.uniform(0, 3600, len(who))
    return Contacts(who, channel, weekday * 24 + hour, sent)


def _drawn(rng: np.random.Generator, cumulated: Floats, last: int) -> Ints:
    """One column a row, by cumulated probabilities, which rounding may end short of 1."""
    return (rng.random((len(cumulated), 1)) > cumulated).sum(1).clip(0, last)


def react(
    rng: np.random.Generator, nature: Nature, contacts: Contacts, *, channels: list[int], days: int
) -> Reactions:
    """What each contact leads to. channels: which of `CHANNELS` those of the contacts are."""
    what = contacts.who, contacts.channel, contacts.slot
    later, total = contacts.sent > days * DAY / 2, len(contacts.who)
    engages = np.where(later, nature.engaged(nature.after, *what), nature.engaged(nature.before, *what))
    pays = np.where(later, nature.paid(nature.after, *what), nature.paid(nature.before, *what))
    engaged = rng.random(total) < engages
    open_delay = np.exp(rng.normal(_MEDIAN_LOG_SECONDS_TO_OPEN[channels][contacts.channel], 1.2))
    paid = engaged & (rng.random(total) < pays)
    pay_delay = np.exp(rng.normal(8.0, 1.5, total)).clip(60, 2.5 * DAY)
    return Reactions(engaged, open_delay, paid, pay_delay, rng.random(total) < 0.6)


def pay(
    rng: np.random.Generator, nature: Nature, contacts: Contacts, reactions: Reactions, *, days: int
) -> Payments:
    """Payments that contacts led to and those that come anyway, up to a debtor's first full one."""
    organic = np.repeat(np.arange(nature.debtors), rng.poisson(nature.organic * days))
    organic_at = rng.uniform(0, days * DAY, len(organic))
    organic_full = rng.random(len(organic)) < 0.6
    paid = reactions.paid
    paid_at = contacts.sent + reactions.open_delay + reactions.pay_delay
    who = np.concatenate([contacts.who[paid], organic])
    at = np.concatenate([paid_at[paid], organic_at])
    full = np.concatenate([reactions.full[paid], organic_full])
    done = np.full(nature.debtors, np.inf)
    np.minimum.at(done, who[full], at[full])
    made = (at <= done[who]) & (at < days * DAY)
    return Payments(who[made], at[made], full[made], done)
