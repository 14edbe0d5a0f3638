"""Everything that may be done with a debtor, and what it is worth: what decisions explore and plans choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.actions import Action, Evidence, Recommendation, lawful_hours
from ml.arrays import Bools, Floats, Ints
from ml.debtor_choices import debtor_slots
from ml.features import Casebook
from ml.intervals import moved_payments, ninety_per_cent
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.quotes import Quotes, net_draws, quote
from ml.segment_plans import SegmentPlan
from ml.slot_effects import HOURS
from ml.standing import Standing
from ml.usable_hours import allowed_channels, debtor_hours
from ml.values import (
    Ahead,
    contact_cost,
    kept_of_gain,
    slot_tables,
    standing_ahead,
    without_channels,
    worth,
)
from ml.wording import (
    Sheet,
    best_templates,
    describe,
    evidence_of,
    recommend,
)

LEAVE_ALONE = -1


@dataclass(frozen=True)
class Candidates:
    """n debtors. net: (n, channels, 168) incremental money after cost, tenant's currency; −inf where a contact may not
    be: forbidden, not asked for, never tried, or on a channel of which nothing is known here. slots: (n, channels)
    hour of week recommended per channel. recommended: (n,) channel · 168 + hour of week, or LEAVE_ALONE.
    segments: (n,) names. known: (n, channels) what the figures rest on. asked: (channels,) whether asked for.
    """

    model: TrainedModel
    standing: Standing
    net: Floats
    slots: Ints
    recommended: Ints
    segments: tuple[str, ...]
    known: tuple[tuple[Evidence, ...], ...]
    hours: Bools
    asked: Bools

    def __len__(self) -> int:
        return len(self.standing)

    @cached_property
    def open(self) -> Bools:
        """(n, channels, 168) contacts that may be chosen; worked out once, since it is asked for debtor by debtor."""
        return np.isfinite(self.net)


def candidates(
    model: TrainedModel,
    book: Casebook,
    rows: Ints,
    *,
    ahead: Ahead,
    plan: SegmentPlan,
    masks: Bools,
    channels: Sequence[str] | None = None,
) -> Candidates:
    """What may be done with debtors (positions in book.debtors), and what `debtor_recommendations` would.

    masks: (n, channels, 168) hours that the contact rules allow. plan: `usual_plan` of the same model and channels.
    """
    allowed = allowed_channels(channels)
    standing = without_channels(standing_ahead(model, book, rows, ahead), allowed)
    hours = debtor_hours(model, masks, len(rows), channels=channels)
    slots, chosen = debtor_slots(model, standing, plan, hours)
    segments = tuple(book.debtors["segment"][rows].fill_null("NONE").to_list())
    known = evidence_of(model, standing, segments)
    usable = standing.reachable & standing.owes[:, None] & _is_known(known)
    net = _net(model, standing, hours & usable[:, :, None])
    recommended = _recommended(net, slots, chosen)
    return Candidates(model, standing, net, slots, recommended, segments, known, hours, allowed)


def _is_known(known: Sequence[Sequence[Evidence]]) -> Bools:
    table = [[level is not Evidence.INSUFFICIENT for level in levels] for levels in known]
    return np.array(table, dtype=bool).reshape(len(known), len(CHANNELS))


def _net(model: TrainedModel, standing: Standing, is_open: Bools) -> Floats:
    hours = np.flatnonzero(lawful_hours())
    tables = slot_tables(model.conversion, np.unique(standing.segment))
    net = np.full(is_open.shape, -np.inf)
    net[:, :, hours] = worth(model, standing, tables, hours).net
    return np.where(is_open, net, -np.inf)


def _recommended(net: Floats, slots: Ints, chosen: Ints) -> Ints:
    """The chosen channel where it may be used, else the one worth most; left alone when it does not pay."""
    line = np.arange(len(net))
    value = np.take_along_axis(net, slots[:, :, None], axis=2)[:, :, 0]
    named = np.maximum(chosen, 0)
    stands = (chosen >= 0) & np.isfinite(value[line, named])
    channel = np.where(stands, named, value.argmax(axis=1))
    pays = value[line, channel] > 0
    return np.where(pays, channel * HOURS + slots[line, channel], LEAVE_ALONE)


def explain(found: Candidates, chosen: Ints) -> list[Recommendation]:
    """Each debtor's choice (channel · 168 + hour of week, or LEAVE_ALONE) in words; `best` is the choice itself.

    Leaving alone has its reasons, and no alternatives.
    """
    contacted = np.flatnonzero(chosen >= 0)
    slots = found.slots.copy()
    slots[contacted, chosen[contacted] // HOURS] = chosen[contacted] % HOURS
    quotes = quote(found.model, found.standing, slots)
    templates = best_templates(found.model)
    open_channels = np.logical_and(found.hours.any(axis=2), found.standing.reachable)
    return [
        _explained(_sheet(found, row, quotes, slots, open_channels, templates), int(chosen[row]))
        for row in range(len(found))
    ]


def _sheet(
    found: Candidates,
    row: int,
    quotes: Quotes,
    slots: Ints,
    open_channels: Bools,
    templates: tuple[str | None, ...],
) -> Sheet:
    one = np.array([row])
    return Sheet(
        found.model,
        found.standing.take(one),
        quotes.take(one),
        np.ones(1),
        slots[row],
        open_channels[row],
        found.known[row],
        templates,
        found.asked,
    )


def _explained(sheet: Sheet, chosen: int) -> Recommendation:
    if chosen == LEAVE_ALONE:
        usual = recommend(sheet, None)
        reasons = (
            usual.reasons if usual.best is None else ("Left alone to learn what would happen by itself.",)
        )
        return Recommendation(usual.evidence, None, (), reasons)
    action: Action = describe(sheet, chosen // HOURS)
    return Recommendation(sheet.evidence[chosen // HOURS], action, (), action.reasons)


@dataclass(frozen=True)
class Total:
    """Expected money of many contacts in one currency; draws: (k,) their net under the bootstrap replicates; gains,
    moved: (segments + 1, channels) what is collected from contacts alike, and payments that such once moved."""

    contacts: int
    collected: float
    cost: float
    net: float
    draws: Floats
    gains: Floats
    moved: Floats

    def __add__(self, other: "Total") -> "Total":
        return Total(
            self.contacts + other.contacts,
            self.collected + other.collected,
            self.cost + other.cost,
            self.net + other.net,
            self.draws + other.draws,
            self.gains + other.gains,
            self.moved,
        )

    def __sub__(self, other: "Total") -> "Total":
        """Without contacts that are among these."""
        return Total(
            self.contacts - other.contacts,
            self.collected - other.collected,
            self.cost - other.cost,
            self.net - other.net,
            self.draws - other.draws,
            self.gains - other.gains,
            self.moved,
        )

    @property
    def error(self) -> float:
        """Half the width of the 90 % interval of the net."""
        return ninety_per_cent(self.draws, self.gains.ravel(), self.moved.ravel())


def totals(found: Candidates, chosen: Ints) -> dict[str, Total]:
    """By the debtors' currencies what the chosen contacts are expected to bring."""
    rows = np.flatnonzero(chosen >= 0)
    some, action = found.standing.take(rows), chosen[rows]
    net, draws = net_draws(found.model, some, action)
    cost = contact_cost(found.model)[action // HOURS]
    collected = (net + cost) / kept_of_gain(found.model)[action // HOURS]
    sums: dict[str, Total] = {}
    moved = moved_payments(found.model)
    currencies = some.currency.to_numpy()
    for currency in sorted(set(currencies.tolist())):
        mine = np.flatnonzero(currencies == currency)
        rate = some.rate[mine]
        gains = np.zeros(moved.shape)
        np.add.at(gains, (some.segment[mine], action[mine] // HOURS), collected[mine] / rate)
        sums[currency] = Total(
            len(mine),
            float((collected[mine] / rate).sum()),
            float((cost[mine] / rate).sum()),
            float((net[mine] / rate).sum()),
            (draws[mine] / rate[:, None]).sum(axis=0),
            gains,
            moved,
        )
    return sums


def runs_of(is_open: Bools) -> list[str]:
    """(channels, 168) as texts, e.g. EMAIL:8-20: on a channel, from which to which hour of the week."""
    found = []
    for channel, hours in zip(CHANNELS, is_open, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hours.astype(np.int8), [0]])))
        found += [f"{channel}:{first}-{end - 1}" for first, end in zip(edges[::2], edges[1::2], strict=True)]
    return found
