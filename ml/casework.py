"""The training material: every outbound contact with its as-of features, and what was known of it at any
instant."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ml.arrays import Bools, Floats, Ints
from ml.causes import Causes, Receipts, receipts_of, trace_causes
from ml.deconfounding import deconfounding_weights
from ml.drawing import MOST_CONTACTS, Draw, draw_contacts
from ml.feature_space import FeatureSpace, Matrix, codes
from ml.features import DAY, SETTLED_AFTER, Casebook, contacts_made
from ml.outcomes import Outcomes
from ml.rhythm import Rhythms, base_rates, fit_rhythms, settled_contacts
from ml.slot_effects import FADING_BUCKETS, Cells, Shape, parts_of

RHYTHMS = 4
LEFT_OUT = ("age", "segment", "template")
"""Not shown to stage A: age only where a tenant permits it, segment belongs to stage B, the template has
its own shrunken effect."""


@dataclass(frozen=True)
class Casework:
    """The n contacts learned from, in order of sent_at: all of the book's, or those drawn of them. segments: known
    segment keys by code; one code more stands for any other; segment: (n,); group: (debtors,) code of each one's
    segment now; traced: causes of all contacts, as known at the end; unconfounded: (n,) weights of
    `ml.deconfounding`, ones until they are learned."""

    book: Casebook
    outcomes: Outcomes
    draw: Draw
    space: FeatureSpace
    matrix: Matrix
    segments: tuple[str, ...]
    segment: Ints
    group: Ints
    receipts: Receipts
    traced: Causes
    unconfounded: Floats

    def known_at(self, instant: int) -> "Knowledge":
        """The contacts sent, and what was known of them, by an instant (microseconds)."""
        sent, receipts, traced = self.book.outcomes, self.receipts, self.traced
        if instant < sent.seen_until:
            sent, receipts = sent.seen_at(instant), receipts.seen_at(instant)
            traced = trace_causes(sent, receipts, self.book, self.group)
        rows = self.draw.rows[: np.searchsorted(self.draw.rows, len(sent))]
        count = len(rows)
        return Knowledge(
            sent=sent,
            outcomes=sent if count == len(sent) else sent.take(rows),
            stands_for=self.draw.weight[:count],
            evenly=self.draw.evenly[:count],
            unconfounded=self.unconfounded[:count],
            matrix=self.matrix[:count],
            segment=self.segment[:count],
            receipts=receipts,
            traced=traced,
            causes=traced if count == len(sent) else traced.of(rows),
        )

    def without_confounding(self, *, seed: int, threads: int) -> "Casework":
        """The same, weighed so that nothing but its features tells which contact got which channel and hour."""
        weights = deconfounding_weights(
            self.matrix,
            self.outcomes,
            self.segment,
            self.draw.weight,
            categorical=self.space.categorical,
            seed=seed,
            threads=threads,
        )
        return replace(self, unconfounded=weights)


@dataclass(frozen=True)
class Knowledge:
    """A prefix of the casework with labels as known at `outcomes.seen_until`. sent, traced: every contact sent until
    then, and its causes; outcomes, causes: of the n learned from; stands_for: (n,) how many sent ones each is;
    evenly: (n,) those that are a fair sample (`ml.drawing`); unconfounded: (n,) as in Casework."""

    sent: Outcomes
    outcomes: Outcomes
    stands_for: Floats
    evenly: Bools
    unconfounded: Floats
    matrix: Matrix
    segment: Ints
    receipts: Receipts
    traced: Causes
    causes: Causes

    def weights(self, half_life_days: float | None) -> Floats:
        """(n,) what each contact counts: the contacts it stands for, halved every half-life."""
        if half_life_days is None:
            return self.stands_for
        age = (self.outcomes.seen_until - self.outcomes.sent_at) / DAY
        return np.asarray(self.stands_for * 0.5 ** (age / half_life_days))


def gather(book: Casebook, *, use_age: bool, most: int = MOST_CONTACTS, seed: int = 0) -> Casework:
    """Features of the outbound contacts of the book, as of `sent_at`: of all, or about `most` drawn with the seed."""
    sent, receipts = book.outcomes, receipts_of(book)
    segments = tuple(
        sorted(set(sent.segment.unique().to_list()) | set(book.debtors["segment"].unique().to_list()))
    )
    group = segment_codes(book.debtors["segment"], segments)
    traced = trace_causes(sent, receipts, book, group)
    draw = draw_contacts(sent, traced.moved, most=most, seed=seed)
    outcomes = sent if len(draw.rows) == len(sent) else sent.take(draw.rows)
    columns = book.columns(contacts_made(outcomes))
    space = FeatureSpace.fit(columns, without=[name for name in LEFT_OUT if not (use_age and name == "age")])
    return Casework(
        book=book,
        outcomes=outcomes,
        draw=draw,
        space=space,
        matrix=space.matrix(columns),
        segments=segments,
        segment=segment_codes(outcomes.segment, segments),
        group=group,
        receipts=receipts,
        traced=traced,
        unconfounded=np.ones(len(outcomes)),
    )


def segment_codes(names: pl.Series, segments: tuple[str, ...]) -> Ints:
    """Positions in `segments`; any other name is the last code."""
    return codes(names.cast(pl.String), segments, unknown=float(len(segments))).astype(np.int64)


def learn_rhythms(knowledge: Knowledge, *, seed: int) -> Rhythms:
    """Rhythms of the debtors, from what was known."""
    sent = knowledge.sent
    base = base_rates(sent)
    settled = settled_contacts(sent, np.arange(len(sent)), base, SETTLED_AFTER)
    known = settled.take(np.flatnonzero(settled.at <= sent.seen_until))
    return fit_rhythms(known, base, clusters=RHYTHMS, seed=seed)


def rhythm_codes(rhythms: Rhythms, outcomes: Outcomes, debtor: Ints, at: Ints) -> Ints:
    """Each debtor's rhythm as of an instant, by what came of all contacts."""
    return rhythms.codes_at(outcomes, debtor, at, SETTLED_AFTER)


def cells_of(knowledge: Knowledge, rhythms: Rhythms) -> Cells:
    """Where each contact falls."""
    outcomes = knowledge.outcomes
    rhythm = rhythm_codes(rhythms, knowledge.sent, outcomes.debtor, outcomes.sent_at)
    return Cells(knowledge.segment, rhythm, outcomes.channel, outcomes.local.hour_of_week, past_of(outcomes))


def past_of(outcomes: Outcomes) -> Ints:
    """How far back each contact lies, 0 (now) to FADING_BUCKETS (long ago): halving the distance to the
    past every quarter span."""
    age = outcomes.seen_until - outcomes.sent_at
    span = max(int(age.max(initial=1)), 1)
    return np.rint(FADING_BUCKETS * (1.0 - 0.5 ** (4.0 * age / span))).astype(np.int64)


def shape_of(casework: Casework, rhythms: Rhythms) -> Shape:
    """Sizes of the slot table."""
    return Shape(len(casework.segments) + 1, rhythms.unknown + 1, parts_of(casework.segments))
