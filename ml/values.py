"""What a contact is worth against leaving alone: debtor × channel × local hour of week, in the tenant's
currency.

value = P(moved) · (1 − P(pays within 30 days | left alone)) · amount · (1 − what opting out would cost)
− cost. Stage A's margins are computed once per debtor and channel (`Standing`); stage B's table then
gives all 168 hours.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import polars as pl

from ml.arrays import Bools, Floats, Ints, Singles
from ml.boosting import logit, sigmoid
from ml.casework import rhythm_codes, segment_codes
from ml.conversion import Conversion
from ml.features import LEAST_OWED, Casebook, Columns
from ml.local_time import MICROSECONDS
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS
from ml.standing import Panel, Standing

DECIDING = ("engaged", "moved", "moved_silent")
PANEL_SIZE = 1_000
_MOST_BROUGHT = 1e30
"""Beyond this a contact is worth no more: what single precision cannot hold would be the same at every hour."""

_OF_THE_MONTH, _DAYS = 200, np.arange(1.0, 31.0, 2.0)
"""Debtors, and days of the month, that tell how a mean day differs from another."""

PLANNED_AHEAD = 84 * 3_600 * MICROSECONDS
"""Decisions are for the coming week, unless asked for a longer time: debtors are looked at as in the middle of it."""

CONTACTS_LOST = 10.0
"""Contacts' worth of value that an opt-out or complaint forfeits."""


def standing_of(model: TrainedModel, book: Casebook, debtor: Ints, at: int | Ints) -> Standing:
    """Stage A for the debtors (positions in book.debtors) on every channel, as of an instant, or of one
    each (microseconds)."""
    count, channels = len(debtor), len(CHANNELS)
    now = np.full(count, at, dtype=np.int64)
    margins = {name: np.zeros((count, channels)) for name in (*DECIDING, "attributed")}
    amount = np.zeros((count, channels))
    owed = book.balances(debtor, now)
    contacts = book.contacts(debtor, np.zeros(count, dtype=np.int64), now)
    columns = book.columns(contacts)
    matrix = model.space.matrix(columns)
    currency = main_currency(columns, model)
    for code in range(channels):
        channel = np.full(count, code)
        model.space.overwrite(matrix, book.channel_columns(replace(contacts, channel=channel)))
        for name, table in margins.items():
            table[:, code] = model.conversion.steps[name].staged.margin_a(matrix, channel, model.threads)
        amount[:, code] = owed * model.paid_share.share(matrix, model.threads)
    people = book.debtors[debtor] if count else book.debtors.clear()
    return Standing(
        keys=people["debtor"],
        margins=margins,
        reachable=_reachable(people["channels"]),
        amount=amount,
        owed=owed,
        alone=model.organic.probability(columns, model.threads),
        segment=segment_codes(people["segment"].fill_null("NONE"), model.segments),
        rhythm=rhythm_codes(model.conversion.rhythms, book.outcomes, debtor, now),
        currency=currency,
        rate=exchange_rates(book, currency),
    )


@dataclass(frozen=True)
class Ahead:
    """The time that is decided for, a week at least."""

    begin: datetime
    end: datetime

    @classmethod
    def of(cls, begin: datetime, end: datetime | None = None) -> Self:
        """From `begin` to `end`, or for a week where that is longer."""
        week = begin + timedelta(microseconds=2 * PLANNED_AHEAD)
        return cls(begin, week if end is None else max(week, end))


def standing_ahead(model: TrainedModel, book: Casebook, debtor: Ints, ahead: Ahead) -> Standing:
    """The debtors as decisions look at them: as in the middle of the time decided for, but owing only what is owed
    through all of it. A debt that comes to be on Thursday is nothing to write of on Monday."""
    begin, end = (int(at.timestamp() * MICROSECONDS) for at in (ahead.begin, ahead.end))
    standing = standing_of(model, book, debtor, (begin + end) // 2)
    owed = np.minimum(standing.owed, book.lasting_balances(debtor, begin, end))
    part = owed / np.maximum(standing.owed, LEAST_OWED)
    return replace(standing, owed=owed, amount=standing.amount * np.minimum(part, 1.0)[:, None])


def _reachable(channels: pl.Series) -> Bools:
    usable = pl.DataFrame({"channels": channels})
    flags = usable.select(
        pl.col("channels").list.contains(name).fill_null(False).alias(name) for name in CHANNELS
    )
    return flags.to_numpy().astype(np.bool_).reshape(len(channels), len(CHANNELS))


def main_currency(columns: Columns, model: TrainedModel) -> pl.Series:
    """(n,) currency of each debtor's largest account; the tenant's where there is none."""
    return pl.Series("currency", columns["currency"], dtype=pl.String).fill_null(model.currency)


def exchange_rates(book: Casebook, currency: pl.Series) -> Floats:
    """(n,) units of the tenant's currency for one of each."""
    rates = {book.history.currency: 1.0, **book.history.rates}
    return currency.replace_strict(rates, default=1.0, return_dtype=pl.Float64).to_numpy()


@dataclass(frozen=True)
class SlotTables:
    """step → (segments asked, rhythms, channels, 168) shifts; row: segment code → first axis (−1: not
    asked)."""

    shifts: dict[str, Floats]
    row: Ints


def slot_tables(conversion: Conversion, segments: Ints, *, draw: int | None = None) -> SlotTables:
    """Stage B for the segments (codes): the estimate, or one of its bootstrap replicates."""
    channels = np.arange(len(CHANNELS))
    shifts = {}
    shape = next(iter(conversion.steps.values())).staged.effects.shape
    for name in DECIDING:
        shifts[name] = conversion.steps[name].staged.table(segments, channels, draw)
    row = np.full(shape.segments, -1)
    row[segments] = np.arange(len(segments))
    return SlotTables(shifts, row)


def draw_count(conversion: Conversion) -> int:
    """How many bootstrap replicates there are."""
    return max(len(conversion.steps[name].staged.draws) for name in DECIDING)


@dataclass(frozen=True)
class Worth:
    """(n, channels, slots) engaged and moved: probabilities; gain: incremental money collected; net:
    after cost and opt-outs."""

    engaged: Singles
    moved: Singles
    gain: Singles
    net: Singles


def worth(model: TrainedModel, standing: Standing, tables: SlotTables, slots: Ints) -> Worth:
    """Value of every channel at the given hours of week, in single precision: a debtor has a thousand. One not
    reachable on a channel, or owing nothing, gains 0 at no cost."""
    chance: dict[str, Singles] = {}
    # Of the segments of these debtors alone: who asks segment by segment would else pay for all of them each time.
    present, row = np.unique(tables.row[standing.segment], return_inverse=True)
    for name in DECIDING:
        platt = model.conversion.steps[name].platt
        shift = (tables.shifts[name][present][:, :, :, slots] * platt.slope[:, None]).astype(np.float32)
        start = (standing.margins[name] * platt.slope + platt.offset).astype(np.float32)
        chance[name] = sigmoid(shift[row, standing.rhythm] + start[:, :, None])
    moved: Singles = chance["engaged"] * chance["moved"]
    moved += (1.0 - chance["engaged"]) * chance["moved_silent"]
    happens = (standing.reachable & standing.owes[:, None])[:, :, None]
    brought = standing.amount * (1.0 - standing.alone)[:, None]
    money = np.minimum(brought, _MOST_BROUGHT).astype(np.float32)
    gain = np.where(happens, moved * money[:, :, None], np.float32(0.0))
    kept = kept_of_gain(model).astype(np.float32)
    cost = np.where(happens, contact_cost(model)[None, :, None], 0.0).astype(np.float32)
    return Worth(chance["engaged"], moved, gain, gain * kept[None, :, None] - cost)


def kept_of_gain(model: TrainedModel) -> Floats:
    """(channels,) the share of a contact's gain that its opt-outs and complaints leave."""
    return np.asarray(1.0 - np.minimum(CONTACTS_LOST * model.channels.opt_out, 0.5))


def contact_cost(model: TrainedModel) -> Floats:
    """(channels,) cost of one contact in the tenant's currency; an unrecorded one counts as nothing."""
    return np.nan_to_num(model.channels.cost, nan=0.0)


def supported_slots(model: TrainedModel, least: float) -> Bools:
    """(channels, 168) whether history wrote on the channel around that hour (±1 h) at least so often on working days or
    weekends, and a fifth as often on that very weekday: who works on Saturdays may be closed on Sundays."""
    week = model.channels.sends.reshape(len(CHANNELS), 7, 24)
    padded = np.pad(week, ((0, 0), (0, 0), (1, 1)))
    around = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    weekend = (np.arange(7) >= 5).astype(np.int64)
    of_kind = np.stack([around[:, :5].sum(axis=1), around[:, 5:].sum(axis=1)], axis=1)[:, weekend]
    return np.asarray(((of_kind >= least) & (around >= least / 5)).reshape(len(CHANNELS), HOURS))


def without_channels(standing: Standing, allowed: Bools) -> Standing:
    """The same debtors with only the allowed channels (channels,) left."""
    return replace(standing, reachable=standing.reachable & allowed[None, :])


def panel_of(model: TrainedModel, book: Casebook, at: int, *, most: int = PANEL_SIZE, seed: int = 0) -> Panel:
    """A panel of the debtors who owe something at an instant: at most `most` per segment, drawn with the
    seed."""
    everyone = np.arange(len(book.debtors))
    owing = everyone[book.balances(everyone, np.full(len(everyone), at)) > LEAST_OWED]
    segment = segment_codes(book.debtors["segment"].fill_null("NONE"), model.segments)[owing]
    shuffled = np.random.default_rng(seed).permutation(len(owing))
    order = shuffled[np.argsort(segment[shuffled], kind="stable")]
    sizes = np.bincount(segment, minlength=len(model.segments) + 1)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.sort(order[rank < most])
    weight = (sizes / np.maximum(np.minimum(sizes, most), 1))[segment[chosen]]
    some = np.sort(np.random.default_rng(seed).permutation(owing)[:_OF_THE_MONTH])
    return Panel(standing_of(model, book, owing[chosen], at), weight, month_of(model, book, some, at))


def month_of(model: TrainedModel, book: Casebook, debtor: Ints, at: int) -> dict[str, Floats]:
    """step → (channels,) log-odds by which stage A's mean rate over the days of the month differs from that of the day
    of an instant, for debtors like these. What is told of a segment names a weekday, not a date."""
    contacts = book.contacts(debtor, np.zeros(len(debtor), dtype=np.int64), np.full(len(debtor), at))
    matrix = model.space.matrix(book.columns(contacts))
    month = np.repeat(matrix, len(_DAYS), axis=0)
    model.space.overwrite(month, {"day_of_month": np.tile(_DAYS, len(debtor))})
    found = {name: np.zeros(len(CHANNELS)) for name in (*DECIDING, "attributed")}
    for code in range(len(CHANNELS) if len(debtor) else 0):
        channel = np.full(len(debtor), code)
        columns = book.channel_columns(replace(contacts, channel=channel))
        model.space.overwrite(matrix, columns)
        model.space.overwrite(
            month, {name: np.repeat(column, len(_DAYS)) for name, column in columns.items()}
        )
        for name, shifts in found.items():
            staged = model.conversion.steps[name].staged
            then, now = (
                sigmoid(staged.margin_a(each, np.full(len(each), code), model.threads)).mean()
                for each in (month, matrix)
            )
            shifts[code] = logit(float(then)) - logit(float(now))
    return found
