"""How much will be sent if sending goes on as it did lately: level, rhythm of the week, and a trend that
fades.
"""

from dataclasses import dataclass

import numpy as np

from ml.forecast.cohorts import Cohorts, Floats, Ints
from ml.forecast.lifetimes import GAP_DAYS, Lifetimes, lifetimes

_SHORT, _LONG = 7.0, 28.0
_FADE = 0.92
_PROFILE_HALF_LIFE = 90.0
_SCATTER_WEEKS, _MONTH = 8, 4
_MANNERS = ((4.0, 0.0), (4.0, 0.5), (12.0, 0.0), (12.0, 0.5), (30.0, 0.0), (30.0, 0.5), (90.0, 0.0))
"""Half-life of the level in days, and the share of the recent trend that is taken to go on: trends seldom last."""
_USUAL = _MANNERS.index((12.0, 0.5))
_TRIALS, _TRIAL_STEP, _TRIAL_DAYS, _SHARPNESS = 14, 4, 14, 6
_HOLIDAY_PRIOR = 0.5
_RECURRING, _RHYTHM = 3, 1 / 6
"""So many silences between messages, with so large a share of all days, are a rhythm."""


@dataclass(frozen=True)
class Volume:
    """expected: (horizon, cells) messages; drift: log standard deviation of the level after one week;
    scatter: of the whole of a single day around its level, beyond chance.
    """

    expected: Floats
    drift: float
    scatter: float


def observed_days(sent: Floats) -> Floats:
    """(days,) 1, or 0 for days within a gap: runs of at least `GAP_DAYS` days without any message.

    Where they come again and again, as with what is sent every other week or once a month, they are the rhythm, and
    only one more than twice as long as usual is a gap: were all left out, each day to come would be one of sending.
    """
    silent = sent.sum(axis=1) == 0
    observed = np.ones(len(sent))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(np.int8), [0]])))
    runs = [(start, stop) for start, stop in edges.reshape(-1, 2) if stop - start >= GAP_DAYS]
    between = np.array([stop - start for start, stop in runs if start > 0 and stop < len(sent)])
    rhythmic = len(between) >= _RECURRING and between.sum() > _RHYTHM * len(sent)
    shortest = 2 * float(np.median(between)) + 1 if rhythmic else GAP_DAYS
    for start, stop in runs:
        if stop - start >= shortest:
            observed[start:stop] = 0.0
    return observed


def forecast_volume(cohorts: Cohorts, until: int, horizon: int) -> Volume:
    """Volume of the `horizon` days from day number `until` on, by the days before it."""
    sent, weekday = cohorts.sent[:until], cohorts.weekday[:until]
    ahead = (cohorts.first_day.weekday() + until + np.arange(horizon)) % 7
    observed = observed_days(sent)
    if observed[-1] == 0 and sent[-GAP_DAYS * 4 :].sum() == 0:
        return Volume(np.zeros((horizon, cohorts.cells)), 0.0, 0.0)
    lived = lifetimes(sent, observed, cohorts.segments, cohorts.channels)
    # A holiday tells of holidays, not of its weekday, nor of the level.
    holidays = cohorts.on_holiday(0, until)
    observed = observed * (1 - holidays)
    channel = np.unique(np.array(cohorts.channels), return_inverse=True)[1]
    profile = _profiles(sent, weekday, observed, channel, lived.since)[:, channel]
    level, expected = _continued(sent, profile, weekday, observed, channel, lived, ahead)
    lasting = lived.lasting(until)
    total, fitted = (sent * lasting).sum(axis=1), (level * profile[weekday] * lasting).sum(axis=1)
    sent_on = _sent_on_holidays(total, fitted, holidays)
    expected *= 1 - (1 - sent_on) * cohorts.on_holiday(until, horizon)[:, None]
    return Volume(expected, drift_before(cohorts, until), _scatter(total, fitted, observed))


def drift_before(cohorts: Cohorts, until: int) -> float:
    """That of `Volume`, by the days before `until`."""
    sent = cohorts.sent[:until]
    return _drift(sent, observed_days(sent) * (1 - cohorts.on_holiday(0, until)))


def _continued(
    sent: Floats,
    profile: Floats,
    weekday: Ints,
    observed: Floats,
    channel: Ints,
    lived: Lifetimes,
    ahead: Ints,
) -> tuple[Floats, Floats]:
    """(cells,) the level of now, and (horizon, cells) what it makes of the weekdays `ahead`; nothing of what has ended.

    profile: (7, cells). Trends and how quickly levels fade are told from what neither began nor ended lately.
    """
    rhythm, steady = profile[weekday], lived.steady
    growth = _growth(sent[:, steady], rhythm[:, steady], observed)
    weights = _weights(sent * steady, rhythm, observed, channel)[:, channel] * ~lived.ended
    level, expected = np.zeros(sent.shape[1]), np.zeros((len(ahead), sent.shape[1]))
    for weight, (half_life, share) in zip(weights, _MANNERS, strict=True):
        part = weight * _level(sent, rhythm, observed, half_life, lived.since)
        level += part
        expected += part * profile[ahead] * _grown(growth, half_life, share, len(ahead))[:, None]
    return level, expected


def _sent_on_holidays(total: Floats, fitted: Floats, holidays: Floats) -> float:
    """What is sent on a public holiday, as a share of what would be otherwise; few holidays lean towards all of it."""
    lean = _HOLIDAY_PRIOR * float(fitted.mean())
    return (float(holidays @ total) + lean) / max(float(holidays @ fitted) + lean, 1e-9)


def _profiles(sent: Floats, weekday: Ints, observed: Floats, channel: Ints, since: Ints) -> Floats:
    """(7, channels) weight of each weekday, mean 1, drawn slightly towards that of all channels; of a channel that
    began lately from the days since.
    """
    day, channels = np.arange(len(sent)), channel.max() + 1
    recency = observed * 0.5 ** ((len(sent) - 1 - day) / _PROFILE_HALF_LIFE)
    onto, first = np.zeros((sent.shape[1], channels)), np.full(channels, len(sent))
    onto[np.arange(sent.shape[1]), channel] = 1.0
    np.minimum.at(first, channel, since)
    lasting = recency[:, None] * (day[:, None] >= first)
    total, count = np.zeros((2, 7, channels))
    np.add.at(total, weekday, lasting * (sent @ onto))
    np.add.at(count, weekday, lasting)
    mean, seen = total / np.maximum(count, 1e-9), count > 0
    if seen.any():  # a weekday that has not been yet is like those that have
        of_seen = (mean * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, mean, of_seen)
    pooled = mean.sum(axis=1, keepdims=True)
    pooled = pooled / max(float(pooled.mean()), 1e-12)
    weight = total.sum(axis=0) / (total.sum(axis=0) + 30.0)
    own = mean / np.maximum(mean.mean(axis=0, keepdims=True), 1e-12)
    return np.asarray(weight * own + (1 - weight) * pooled)


def _level(
    sent: Floats, profile: Floats, observed: Floats, half_life: float, since: Ints | None = None
) -> Floats:
    """(cells,) messages per average day, older days counting half every `half_life` days, those before `since` not."""
    day = np.arange(len(sent))
    weight = (observed * 0.5 ** ((len(sent) - 1 - day) / half_life))[:, None]
    if since is not None:
        weight = weight * (day[:, None] >= since)
    return np.asarray((weight * sent).sum(axis=0) / np.maximum((weight * profile).sum(axis=0), 1e-9))


def _weights(sent: Floats, profile: Floats, observed: Floats, channel: Ints) -> Floats:
    """(len(_MANNERS), channels) how much each of `_MANNERS` is listened to, by how it would have told two weeks
    when these were to come, two to nine weeks back; the usual one alone while there is too little to tell by.
    """
    onto = np.zeros((sent.shape[1], channel.max() + 1))
    onto[np.arange(sent.shape[1]), channel] = 1.0
    whole, rhythm = sent @ onto, np.zeros((len(sent), onto.shape[1]))
    rhythm[:, channel] = profile
    last = len(sent) - _TRIAL_DAYS
    origins = [
        last - _TRIAL_STEP * trial for trial in range(_TRIALS) if last - _TRIAL_STEP * trial >= 2 * _LONG
    ]
    if len(origins) < _TRIALS // 2:
        return np.repeat(np.eye(len(_MANNERS))[:, [_USUAL]], onto.shape[1], axis=1)
    errors = np.zeros((len(_MANNERS), onto.shape[1]))
    for origin in origins:
        ahead = slice(origin, origin + _TRIAL_DAYS)
        known = whole[:origin], rhythm[:origin], observed[:origin]
        growth = _growth(*known)
        for place, (half_life, share) in enumerate(_MANNERS):
            told = _level(*known, half_life) * rhythm[ahead]
            told = told * _grown(growth, half_life, share, _TRIAL_DAYS)[:, None]
            errors[place] += observed[ahead] @ np.abs(told - whole[ahead])
    weights = ((errors.min(axis=0) + 1e-9) / (errors + 1e-9)) ** _SHARPNESS
    return np.asarray(weights / weights.sum(axis=0))


def _grown(growth: float, half_life: float, share: float, horizon: int) -> Floats:
    """(horizon,) factor of a level by a trend: what it missed by looking back, and what is still to come, fading."""
    steps = share * growth * (half_life / np.log(2) * 0.5 + np.cumsum(_FADE ** np.arange(horizon)))
    return np.asarray(np.exp(np.clip(steps, -0.7, 0.7)))


def _growth(sent: Floats, profile: Floats, observed: Floats) -> float:
    """Log growth per day of the whole over the last weeks."""
    short = _level(sent, profile, observed, _SHORT).sum()
    long = _level(sent, profile, observed, _LONG).sum()
    if len(sent) < 2 * _LONG or min(short, long) <= 0:
        return 0.0
    return float(np.log(short / long) / ((_LONG - _SHORT) / np.log(2)))


def _scatter(total: Floats, fitted: Floats, observed: Floats) -> float:
    """From the last eight weeks, each week at its own level."""
    week = np.arange(len(total))[::-1] // 7
    recent = (week < _SCATTER_WEEKS) & (observed > 0) & (fitted > 0)
    level = np.bincount(week, weights=total * observed) / np.maximum(
        np.bincount(week, weights=fitted * observed), 1e-9
    )
    due = np.maximum((fitted * level[week])[recent], 1e-9)
    if recent.sum() < 14:
        return 0.2
    relative = (total[recent] - due) / due
    return float(np.sqrt(np.clip(np.average(relative**2 - 1 / due, weights=due), 0.02**2, 1.0)))


def _drift(sent: Floats, observed: Floats) -> float:
    """By how much the level of weekly totals wanders in a week: root mean square of the change of their logarithm,
    beyond chance, and beyond what is undone within a month, such as by a campaign that is over.

    Around 0, not around the mean: a trend of the past is no certainty, so it counts as something that may
    turn.
    """
    whole = sent[len(sent) % 7 :].sum(axis=1).reshape(-1, 7)
    full = observed[len(sent) % 7 :].reshape(-1, 7).all(axis=1)
    weeks = whole.sum(axis=1)[full]
    weeks = weeks[weeks > 0][-12:]
    if len(weeks) < 4:
        return 0.15
    change = np.diff(np.log(weeks))
    undone = sum(float(change[lag:] @ change[:-lag]) for lag in range(1, _MONTH)) / len(change)
    lasting = np.mean(change**2) + min(2 * undone, -2 * float(np.mean(1 / weeks)))
    return float(np.sqrt(max(lasting, 0.02**2)))
