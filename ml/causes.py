"""Which contact, if any, moved a payment: soft labels for the effect of a contact against leaving alone.

Payments are superposed Poisson processes: an organic rate of the debtor's segment, what the debtors a
channel is used for pay more than that, and what each earlier contact contributes, piecewise constant since
the contact was last seen to act (sent, engaged, clicked). Rates are fitted by expectation–maximisation; a
contact's label is the expected number of the debtor's payments it moved. Unlike attribution (kpis.md) this
credits channels whose openings nobody sees, and does not credit a message with money that would have come
anyway.

Who is sent a text pays at another rate than the rest of the segment, text or not. The last span of time since
a contact acted tells how much: by then it moves nothing any more, so what still goes with it is not its doing
(a negative control: Lipsitch, Tchetgen Tchetgen & Cohen 2010).
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.features import LEAST_OWED, Casebook
from ml.local_time import DAY_SECONDS, MICROSECONDS, NEVER
from ml.outcomes import CHANNELS, HORIZON_SECONDS, Outcomes, in_tenant_currency

STATES = 3
"""0: sent, no sign of life; 1: engaged; 2: clicked or landed."""

EDGES = np.array([0.0, 0.02, 0.1, 0.3, 1.0, 2.0, 4.0, 7.0, 14.0, 30.0]) * DAY_SECONDS
"""Time since the contact last acted, seconds."""

_BINS = len(EDGES) - 1
_ITERATIONS = 120
_PRIOR_EVENTS = 3.0
_FIRST_OTHERS = 0.1
"""Where the rate of a channel's debtors begins, as a share of everybody's."""

_TO_BELIEVE = 3.0
"""Payments that must speak for a channel's moving debtors who give no sign, before any is credited to it: rates are
never negative, so that chance alone would credit every channel with some."""


@dataclass(frozen=True)
class Causes:
    """moved: (contacts,) expected payments each contact moved, at most 1; surely: the same, each payment counted by how
    sure it is that this contact moved it; collected: `moved` in money (tenant's currency);
    moved_at: when it most likely did, `NEVER` where no payment followed;
    organic: (payments,) probability that each payment would have come anyway."""

    moved: Floats
    surely: Floats
    collected: Floats
    moved_at: Ints
    organic: Floats

    def of(self, rows: Ints) -> "Causes":
        """The same, with the chosen contacts only."""
        return replace(
            self,
            moved=self.moved[rows],
            surely=self.surely[rows],
            collected=self.collected[rows],
            moved_at=self.moved_at[rows],
        )


@dataclass(frozen=True)
class Receipts:
    """Unreversed payments, in any order: debtor (position), paid_at (microseconds), value (tenant's
    currency)."""

    debtor: Ints
    paid_at: Ints
    value: Floats

    def seen_at(self, instant: int) -> "Receipts":
        """Those made by an earlier instant."""
        rows = self.paid_at <= instant
        return Receipts(self.debtor[rows], self.paid_at[rows], self.value[rows])


def trace_causes(outcomes: Outcomes, receipts: Receipts, book: Casebook, group: Ints) -> Causes:
    """group: (debtors,) code of those who share an organic rate (segment)."""
    pairs = _pairs(outcomes, receipts)
    exposure = _contact_exposure(outcomes)
    at_risk = _organic_exposure(outcomes, book, group)
    cell = (pairs.channel * STATES + pairs.state) * _BINS + pairs.bin
    share, organic = _maximise(cell, pairs.receipt, exposure, receipts, group, at_risk)
    moved = sums_by(pairs.contact, share, len(outcomes))
    surely = sums_by(pairs.contact, share**2, len(outcomes))
    collected = sums_by(pairs.contact, share * receipts.value[pairs.receipt], len(outcomes))
    moved_at = _likeliest_instants(pairs, share, receipts, len(outcomes))
    return Causes(np.minimum(moved, 1.0), np.minimum(surely, 1.0), collected, moved_at, organic)


@dataclass(frozen=True)
class _Pairs:
    receipt: Ints
    contact: Ints
    channel: Ints
    state: Ints
    bin: Ints


def _pairs(outcomes: Outcomes, receipts: Receipts) -> _Pairs:
    """Every payment with every contact of its debtor in the 30 days before."""
    order = np.lexsort((outcomes.sent_at, outcomes.debtor))
    stride = int(max(outcomes.seen_until, receipts.paid_at.max(initial=0))) + 1
    first_of = np.searchsorted(outcomes.debtor[order], receipts.debtor)
    last_of = np.searchsorted(outcomes.debtor[order], receipts.debtor, side="right")
    counts = last_of - first_of
    receipt = np.repeat(np.arange(len(receipts.debtor)), counts)
    within = np.arange(len(receipt)) - np.repeat(np.cumsum(counts) - counts, counts)
    contact = order[np.repeat(first_of, counts) + within] if len(receipt) else np.zeros(0, dtype=np.int64)
    paid_at = receipts.paid_at[receipt]
    since = paid_at - outcomes.sent_at[contact]
    near = (since >= 0) & (since <= HORIZON_SECONDS * MICROSECONDS) & (paid_at < stride)
    receipt, contact, paid_at = receipt[near], contact[near], paid_at[near]
    clicked, engaged = outcomes.clicked_at[contact] <= paid_at, outcomes.engaged_at[contact] <= paid_at
    acted = np.where(engaged, outcomes.engaged_at[contact], outcomes.sent_at[contact])
    acted = np.where(clicked, outcomes.clicked_at[contact], acted)
    state = np.where(clicked, 2, np.where(engaged, 1, 0))
    place = np.searchsorted(EDGES, (paid_at - acted) / MICROSECONDS, side="right") - 1
    return _Pairs(receipt, contact, outcomes.channel[contact], state, np.clip(place, 0, _BINS - 1))


def _likeliest_instants(pairs: _Pairs, share: Floats, receipts: Receipts, contacts: int) -> Ints:
    """(contacts,) the instant of the payment each contact most likely moved."""
    instants = np.full(contacts, NEVER, dtype=np.int64)
    order = np.argsort(share, kind="stable")
    instants[pairs.contact[order]] = receipts.paid_at[pairs.receipt[order]]
    return instants


def _contact_exposure(outcomes: Outcomes) -> Floats:
    """(channels · STATES · bins,) seconds contacts were watched in each state since they last acted."""
    end = np.minimum(outcomes.sent_at + int(HORIZON_SECONDS * MICROSECONDS), outcomes.seen_until)
    engaged = np.minimum(outcomes.engaged_at, outcomes.clicked_at)
    clicked = outcomes.clicked_at
    spans = (
        (outcomes.sent_at, np.minimum(engaged, end)),
        (np.minimum(engaged, end), np.minimum(clicked, end)),
        (np.minimum(clicked, end), end),
    )
    total = np.zeros((len(CHANNELS), STATES, _BINS))
    for state, (start, stop) in enumerate(spans):
        seconds = np.maximum(stop - start, 0) / MICROSECONDS
        for place in range(_BINS):
            spent = np.clip(seconds, EDGES[place], EDGES[place + 1]) - EDGES[place]
            total[:, state, place] += np.bincount(outcomes.channel, spent, len(CHANNELS))
    return total.ravel()


def _organic_exposure(outcomes: Outcomes, book: Casebook, group: Ints) -> Floats:
    """(groups,) seconds its debtors owed something since the first contact of the history."""
    days = max((outcomes.seen_until - int(outcomes.sent_at.min())) // (DAY_SECONDS * MICROSECONDS), 1)
    everyone = np.arange(len(group))
    owing = np.zeros(len(group))
    checks = 12
    for check in range(checks):
        at = outcomes.seen_until - int((check + 0.5) / checks * days * DAY_SECONDS * MICROSECONDS)
        owing += book.balances(everyone, np.full(len(group), at)) > LEAST_OWED
    return sums_by(group, owing / checks * days * DAY_SECONDS, int(group.max(initial=0)) + 1)


def _maximise(
    cell: Ints, receipt: Ints, exposure: Floats, receipts: Receipts, group: Ints, at_risk: Floats
) -> tuple[Floats, Floats]:
    """(pairs,) share of the payment each contact moved, (payments,) the share that would have come anyway.

    A pair's contact has a rate of its cell, none in the last bin, and at any time that of its channel's debtors.
    """
    count, channels = len(receipts.debtor), len(CHANNELS)
    own, channel = group[receipts.debtor], cell // (STATES * _BINS)
    over = np.arange(len(exposure)) % _BINS == _BINS - 1
    everybody = count / max(at_risk.sum(), 1.0)
    organic_rate = np.full(len(at_risk), 0.5 * everybody)
    rates = np.where(over, 0.0, everybody)
    others = np.full(channels, _FIRST_OTHERS * everybody)
    exposed = np.maximum(exposure.reshape(channels, -1).sum(axis=1), DAY_SECONDS)
    share, organic = np.zeros(len(cell)), np.ones(count)
    for _ in range(_ITERATIONS):
        moving, besides = rates[cell], others[channel]
        total = organic_rate[own] + np.bincount(receipt, moving + besides, count)
        share, aside = moving / total[receipt], besides / total[receipt]
        base = organic_rate[own] / total
        organic = base + np.bincount(receipt, aside, count)
        mean_base = base.sum() / max(at_risk.sum(), 1.0)
        organic_rate = (np.bincount(own, base, len(at_risk)) + _PRIOR_EVENTS) / (
            at_risk + _PRIOR_EVENTS / max(mean_base, 1e-15)
        )
        events = _believed(sums_by(cell, share, len(exposure)))
        rates = np.where(over, 0.0, events / np.maximum(exposure, DAY_SECONDS))
        others = np.bincount(channel, aside, channels) / exposed
    return share, organic


def _believed(events: Floats) -> Floats:
    """(channels · STATES · bins,) payments moved, less `_TO_BELIEVE` of those that each channel moved without a sign.

    These maximise the posterior under a prior that knows no scale: the power −`_TO_BELIEVE` of the size of a channel's
    silent rates, whatever their course.
    """
    table = events.reshape(-1, STATES, _BINS).copy()
    silent = np.maximum(table[:, 0].sum(axis=1, keepdims=True), 1e-12)
    table[:, 0] *= np.maximum(1.0 - _TO_BELIEVE / silent, 0.0)
    return table.ravel()


def receipts_of(book: Casebook) -> Receipts:
    """All unreversed payments in the book's history."""
    history = book.history
    positions = history.debtors.select("debtor").with_row_index("position")
    kept = history.payments.filter(pl.col("reversed_at").is_null() & (pl.col("amount") > 0)).join(
        positions, on="debtor", maintain_order="left"
    )
    kept = kept.with_columns(value=in_tenant_currency(history, "amount", "currency"))
    return Receipts(
        kept["position"].cast(pl.Int64).to_numpy(),
        kept["paid_at"].dt.timestamp("us").fill_null(NEVER).to_numpy(),
        kept["value"].to_numpy(),
    )
