"""A week as the plan engine would send it: each debtor contacted lately on a channel and in an hour, or left alone.

It is planned as a campaign is (`ml.options`, `ml.planning`), each debtor once, within what is sent lately.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from ml.arrays import Bools
from ml.candidates import candidates
from ml.frames import History
from ml.model import TrainedModel
from ml.options import Slots, options_of, segment_ranking
from ml.outcomes import CHANNELS
from ml.planning import NOBODY, Limits, assign
from ml.segment_plans import SegmentPlan
from ml.values import Ahead, contact_cost

RECENT_DAYS = 56
"""Whoever was contacted within so many days is contacted lately."""
DAYS = 7
BY_HAND = ("LETTER", "VOICE")
"""Channels that take people's time: there are no more of them because a model would like it."""
_PART = 1_000
_PLANNED = {"channel": pl.String, "hour_of_week": pl.Int64}


@dataclass(frozen=True)
class Lawful:
    """What the contact rules allow n debtors in the coming week.

    debtors: (n,) keys as in history.debtors. slots: per debtor and channel, `day` counting UTC days from the first.
    masks: (n, channels, 168) hours of the week that have a slot.
    """

    debtors: pl.Series
    slots: Sequence[Sequence[Slots]]
    masks: Bools


def contacted_lately(history: History) -> pl.DataFrame:
    """debtor, channel, sent_at of the messages of the last `RECENT_DAYS` days to debtors of the history."""
    recent = history.outbound.filter(pl.col("sent_at") >= history.as_of - timedelta(days=RECENT_DAYS))
    known = history.debtors.select("debtor")
    return recent.select("debtor", "channel", "sent_at").join(
        known, on="debtor", how="semi", maintain_order="left"
    )


def capacity(lately: pl.DataFrame, contacts: int) -> Limits:
    """What a week of `contacts` contacts may consist of, by how the messages sent `lately` are spread.

    Of what is done by hand, as much as now, on no day more than on its busiest weekday. A channel that machines send on
    may take over from others: on no day more than all of them together send on theirs.
    """
    counted = lately.with_columns(weekday=pl.col("sent_at").dt.weekday())
    whole = max(len(counted), 1)
    busiest = int(counted.group_by("weekday").len()["len"].max() or 0)  # type: ignore[arg-type]
    per_day = np.full(len(CHANNELS), np.ceil(contacts * busiest / whole))
    total = np.full(len(CHANNELS), np.inf)
    for name in BY_HAND:
        own = counted.filter(pl.col("channel") == name)
        top = int(own.group_by("weekday").len()["len"].max() or 0)  # type: ignore[arg-type]
        total[CHANNELS.index(name)] = np.ceil(contacts * len(own) / whole)
        per_day[CHANNELS.index(name)] = np.ceil(contacts * top / whole)
    return Limits(per_day, total, np.inf)


def plan_week(
    model: TrainedModel, history: History, lawful: Lawful, plan: SegmentPlan, *, seed: int
) -> pl.DataFrame:
    """debtor, channel (null: left alone), hour_of_week of those of `lawful.debtors` who still owe something.

    plan: `usual_plan` of the model.
    """
    book, ranking = model.casebook(history), segment_ranking(model, None)
    place = {key: row for row, key in enumerate(book.debtors["debtor"].to_list())}
    rows = np.array([place[key] for key in lawful.debtors], dtype=np.int64)
    worth = np.zeros((len(rows), len(CHANNELS), DAYS))
    hour = np.zeros((len(rows), len(CHANNELS), DAYS), dtype=np.int16)
    owing = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), _PART):
        part = slice(start, start + _PART)
        ahead = Ahead.of(history.as_of)
        found = candidates(model, book, rows[part], ahead=ahead, plan=plan, masks=lawful.masks[part])
        options = options_of(found, lawful.slots[part], DAYS, ranking)
        worth[part], hour[part] = options.worth, options.hour
        owing[part] = found.standing.owes
    worth, hour, debtors = worth[owing], hour[owing], lawful.debtors.filter(pl.Series(owing))
    limits = capacity(contacted_lately(history), len(debtors))
    option = assign(worth, contact_cost(model), limits, seed=seed).option
    made, at = option != NOBODY, np.maximum(option, 0)
    hours = hour[np.arange(len(at)), at // DAYS, at % DAYS]
    return pl.DataFrame(
        {
            "debtor": debtors,
            "channel": [
                CHANNELS[code // DAYS] if is_made else None for code, is_made in zip(at, made, strict=True)
            ],
            "hour_of_week": [int(one) if is_made else None for one, is_made in zip(hours, made, strict=True)],
        },
        schema_overrides=_PLANNED,
    )
