"""Decisions for many debtors as columns: what `ml.decisions.debtor_recommendations` says, without its words.

Debtors are taken in chunks, as many at once as the model has threads, so that memory is bounded by the chunks and a
portfolio of millions is a matter of minutes.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.actions import Evidence
from ml.arrays import Bools, Floats, Ints
from ml.debtor_choices import debtor_slots
from ml.features import Casebook
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.quotes import hourly_nets, quote_each
from ml.segment_plans import SegmentPlan
from ml.standing import Standing
from ml.usable_hours import allowed_channels, debtor_hours
from ml.values import (
    Ahead,
    SlotTables,
    contact_cost,
    slot_tables,
    standing_ahead,
    without_channels,
)
from ml.wording import best_templates, segment_evidence, shows_openings

CHUNK = 4_000
_LEAST_CHUNK = 500
_LEVELS = tuple(Evidence)

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "segment": pl.String,
    "channel": pl.String,
    "hour_of_week": pl.Int64,
    "template": pl.String,
    "delivery_rate": pl.Float64,
    "open_rate": pl.Float64,
    "click_rate": pl.Float64,
    "conversion_rate": pl.Float64,
    "collected": pl.Float64,
    "cost": pl.Float64,
    "net": pl.Float64,
    "currency": pl.String,
    "open_p50": pl.Float64,
    "open_p90": pl.Float64,
    "pay_p50": pl.Float64,
    "pay_p90": pl.Float64,
    "evidence": pl.String,
}
"""Columns of a score: channel null means leave alone, and then all that is expected of a contact is null as well.
Rates as in `ml.actions.Expected`; money in `currency`, the debtor's; open_p50 … pay_p90: seconds."""


@dataclass(frozen=True)
class Scorer:
    """What all chunks share. plan: `usual_plan` of the model and channels."""

    model: TrainedModel
    plan: SegmentPlan
    channels: tuple[str, ...] | None
    tables: SlotTables
    templates: tuple[str | None, ...]

    @classmethod
    def of(cls, model: TrainedModel, plan: SegmentPlan, *, channels: Sequence[str] | None = None) -> "Scorer":
        """A scorer to be kept as long as the portfolio takes."""
        chosen = None if channels is None else tuple(channels)
        tables = slot_tables(model.conversion, np.arange(len(model.segments) + 1))
        return cls(model, plan, chosen, tables, best_templates(model))

    def scores(self, book: Casebook, rows: Ints, *, ahead: Ahead, masks: Bools | None = None) -> pl.DataFrame:
        """`SCHEMA`, a row for each debtor asked (positions in book.debtors), in their order.

        masks: (n, 168) or (n, channels, 168) hours the contact rules allow.
        """
        threads = max(self.model.threads, 1)
        size = min(CHUNK, max(_LEAST_CHUNK, -(-len(rows) // threads)))
        starts = range(0, len(rows), size)

        def one(start: int) -> pl.DataFrame:
            some = slice(start, start + size)
            return self._chunk(book, rows[some], ahead, None if masks is None else masks[some])

        with ThreadPoolExecutor(threads) as pool:
            frames = list(pool.map(one, starts))
        return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)

    def _chunk(self, book: Casebook, rows: Ints, ahead: Ahead, masks: Bools | None) -> pl.DataFrame:
        model = self.model
        standing = without_channels(standing_ahead(model, book, rows, ahead), allowed_channels(self.channels))
        hours = debtor_hours(model, masks, len(rows), channels=self.channels)
        slots, chosen = debtor_slots(model, standing, self.plan, hours, self.tables)
        segments = book.debtors["segment"][rows].fill_null("NONE")
        level = _levels(model, standing, segments)
        known = level != _LEVELS.index(Evidence.INSUFFICIENT)
        usable = known & hours.any(axis=2) & standing.reachable
        best = _best(model, standing, slots, chosen, usable)
        line = np.arange(len(rows))
        possible = usable.any(axis=1) & standing.owes
        evidence = np.where(possible, level[line, best], _why_nothing(standing, known))
        columns = self._expected(standing, best, slots[line, best], possible)
        names = np.array([kind.value for kind in _LEVELS])[evidence]
        columns |= {"segment": segments, "evidence": pl.Series(names, dtype=pl.String)}
        return pl.DataFrame(columns).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())

    def _expected(
        self, standing: Standing, channel: Ints, slot: Ints, possible: Bools
    ) -> dict[str, pl.Series | pl.Expr]:
        """Everything expected of the contacts that pay; null for the others."""
        quoted = quote_each(self.model, standing, channel, slot)
        made = possible & (quoted["net"] > 0)
        opens = made & shows_openings(self.model)[channel]
        delivered = np.maximum(quoted["delivered"], 1e-9)

        def share(name: str, where: Bools) -> pl.Series:
            return _masked(np.minimum(quoted[name] / delivered, 1.0), where)

        columns: dict[str, pl.Series | pl.Expr] = {
            "channel": _words(CHANNELS, channel, made),
            "hour_of_week": _masked(slot, made),
            "template": _words(self.templates, channel, made),
            "delivery_rate": _masked(np.minimum(delivered, 1.0), made),
            "open_rate": share("opened", opens),
            "click_rate": share("clicked", opens),
            "conversion_rate": share("converted", made),
            "collected": _masked(quoted["gain"] / standing.rate, made),
            "cost": _masked(contact_cost(self.model)[channel] / standing.rate, made),
            "net": _masked(quoted["net"] / standing.rate, made),
            "currency": pl.DataFrame({"word": standing.currency, "made": made}).select(
                pl.when("made").then("word")
            )["word"],
        }
        for name in ("open_p50", "open_p90"):
            columns[name] = _masked(quoted[name], opens)
        for name in ("pay_p50", "pay_p90"):
            columns[name] = _masked(quoted[name], made)
        return columns


def _levels(model: TrainedModel, standing: Standing, segments: pl.Series) -> Ints:
    """(n, channels) positions in `_LEVELS` of what each debtor's segment tells about each channel."""
    codes = np.arange(len(model.segments) + 1)
    table = np.array(
        [
            [_LEVELS.index(kind) for kind in segment_evidence(model, -1 if code == codes[-1] else int(code))]
            for code in codes
        ]
    )
    named = segments.is_in(list(model.segments)).to_numpy()
    return np.asarray(table[np.where(named, standing.segment, codes[-1])])


def _why_nothing(standing: Standing, known: Bools) -> Ints:
    """(n,) evidence of a debtor with whom nothing can be done, in the order of `ml.wording`'s reasons."""
    strong, pooled, insufficient = (
        _LEVELS.index(kind) for kind in (Evidence.STRONG, Evidence.POOLED, Evidence.INSUFFICIENT)
    )
    settled = ~standing.owes | ~standing.reachable.any(axis=1)
    return np.where(settled, strong, np.where(known.any(axis=1), pooled, insufficient))


def _best(model: TrainedModel, standing: Standing, slots: Ints, chosen: Ints, usable: Bools) -> Ints:
    """(n,) the channel chosen where it may be used, else the usable one worth most."""
    line = np.arange(len(standing))
    best = np.maximum(chosen, 0)
    others = np.flatnonzero(((chosen < 0) | ~usable[line, best]) & usable.any(axis=1))
    if len(others):
        net, _ = hourly_nets(model, standing.take(others), slots[others])
        best[others] = np.where(usable[others], net, -np.inf).argmax(axis=1)
    return best


def _masked(value: Floats | Ints, where: Bools) -> pl.Series:
    return pl.DataFrame({"value": value, "where": where}).select(pl.when("where").then("value"))["value"]


def _words(words: Sequence[str | None], code: Ints, where: Bools) -> pl.Series:
    table = pl.Series([*words, None], dtype=pl.String)
    return table.gather(np.where(where, code, len(words)))
