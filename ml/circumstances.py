"""What goes with the funnel: how much a payment brings, what a contact costs, what evidence there is."""

import numpy as np

from ml.amount import PaidShare, fit_paid_share
from ml.arrays import Floats, sums_by
from ml.casework import Casework, Knowledge, segment_codes
from ml.frames import History
from ml.model import ChannelFacts, SegmentFacts
from ml.outcomes import CHANNELS, sent_costs


def paid_share_of(
    casework: Casework, knowledge: Knowledge, prior: Floats, seed: int, threads: int
) -> PaidShare:
    """From contacts that moved a payment: the money against what was owed when it was sent."""
    outcomes, causes = knowledge.outcomes, knowledge.causes
    rows = np.flatnonzero(causes.moved > 0.2)
    owed = casework.book.balances(outcomes.debtor[rows], outcomes.sent_at[rows])
    paid = causes.collected[rows] / causes.moved[rows]
    return fit_paid_share(
        casework.matrix[rows],
        paid,
        owed,
        prior[rows] * causes.moved[rows],
        categorical=casework.space.categorical,
        seed=seed,
        threads=threads,
    )


def channel_facts_of(knowledge: Knowledge, history: History, prior: Floats) -> ChannelFacts:
    """What a contact costs on each channel, how often it makes debtors opt out, and when contacts were made."""
    outcomes, sent = knowledge.outcomes, knowledge.sent
    cost = sent_costs(history, outcomes)
    known = np.isfinite(cost)
    weight = prior * known
    size = len(CHANNELS)
    spent = sums_by(outcomes.channel, np.where(known, cost, 0.0) * weight, size)
    priced = sums_by(outcomes.channel, weight, size)
    left = sums_by(outcomes.channel, outcomes.opted_out * prior, size)
    sends = sums_by(sent.channel * 168 + sent.local.hour_of_week, np.ones(len(sent)), size * 168)
    return ChannelFacts(
        cost=np.where(priced > 0, spent / np.maximum(priced, 1e-12), np.nan),
        opt_out=left / (sums_by(outcomes.channel, prior, size) + 200.0),
        sends=sends.reshape(size, 168),
    )


def segment_facts_of(casework: Casework, knowledge: Knowledge) -> SegmentFacts:
    """What the evidence per segment and channel rests on.

    Of n payments moved, found among b that would have come anyway, as many are counted as tell as much by themselves:
    n² / (n + b).
    """
    sent = knowledge.sent
    shape = (len(casework.segments) + 1, len(CHANNELS))
    place = segment_codes(sent.segment, casework.segments) * len(CHANNELS) + sent.channel
    size = shape[0] * shape[1]
    engaged = (sent.engaged_at <= sent.seen_until).astype(np.float64)
    return SegmentFacts(
        sent=sums_by(place, np.ones(len(sent)), size).reshape(shape),
        engaged=sums_by(place, engaged, size).reshape(shape),
        moved=sums_by(place, knowledge.traced.surely, size).reshape(shape),
    )
