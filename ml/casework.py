"""The training material: every outbound contact with its as-of features, and what was known of it at any
instant."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints
from ml.causes import Causes, Receipts, receipts_of, trace_causes
from ml.feature_space import FeatureSpace, Matrix, codes
from ml.features import DAY, SETTLED_AFTER, Casebook, contacts_made
from ml.outcomes import Outcomes
from ml.rhythm import RhythmBook, Rhythms, base_rates, fit_rhythms
from ml.slot_effects import FADING_BUCKETS, Cells, Shape, parts_of

RHYTHMS = 4
LEFT_OUT = ("age", "segment", "template")
"""Not shown to stage A: age only where a tenant permits it, segment belongs to stage B, the template has
its own shrunken effect."""


@dataclass(frozen=True)
class Casework:
    """n contacts in order of sent_at. segments: known segment keys by code; one code more stands for any
    other."""

    book: Casebook
    outcomes: Outcomes
    space: FeatureSpace
    matrix: Matrix
    segments: tuple[str, ...]
    segment: Ints
    group: Ints
    receipts: Receipts

    def known_at(self, instant: int) -> "Knowledge":
        """The contacts sent, and what was known of them, by an instant (microseconds)."""
        outcomes = self.outcomes.seen_at(instant)
        receipts = self.receipts.seen_at(instant)
        causes = trace_causes(outcomes, receipts, self.book, self.group)
        return Knowledge(
            outcomes, self.matrix[: len(outcomes)], self.segment[: len(outcomes)], receipts, causes
        )


@dataclass(frozen=True)
class Knowledge:
    """A prefix of the casework with labels as known at `outcomes.seen_until`."""

    outcomes: Outcomes
    matrix: Matrix
    segment: Ints
    receipts: Receipts
    causes: Causes

    def recency(self, half_life_days: float | None) -> Floats:
        """(n,) weights that halve every half-life; ones without."""
        age = (self.outcomes.seen_until - self.outcomes.sent_at) / DAY
        return np.ones(len(age)) if half_life_days is None else np.asarray(0.5 ** (age / half_life_days))


def gather(book: Casebook, *, use_age: bool) -> Casework:
    """Features of every outbound contact of the book, as of its `sent_at`."""
    outcomes = book.outcomes
    columns = book.columns(contacts_made(outcomes))
    space = FeatureSpace.fit(columns, without=[name for name in LEFT_OUT if not (use_age and name == "age")])
    segments = tuple(
        sorted(set(outcomes.segment.unique().to_list()) | set(book.debtors["segment"].unique().to_list()))
    )
    return Casework(
        book=book,
        outcomes=outcomes,
        space=space,
        matrix=space.matrix(columns),
        segments=segments,
        segment=segment_codes(outcomes.segment, segments),
        group=segment_codes(book.debtors["segment"], segments),
        receipts=receipts_of(book),
    )


def segment_codes(names: pl.Series, segments: tuple[str, ...]) -> Ints:
    """Positions in `segments`; any other name is the last code."""
    return codes(names.cast(pl.String), segments, unknown=float(len(segments))).astype(np.int64)


def learn_rhythms(knowledge: Knowledge, book: Casebook, *, seed: int) -> Rhythms:
    """Rhythms of the debtors, from what was known."""
    outcomes = knowledge.outcomes
    base = base_rates(outcomes)
    everyone = np.arange(len(book.debtors))
    answered, exposure = RhythmBook(outcomes, base, SETTLED_AFTER).counts(
        everyone, np.full(len(everyone), outcomes.seen_until + 1)
    )
    return fit_rhythms(answered, exposure, base, clusters=RHYTHMS, seed=seed)


def rhythm_codes(rhythms: Rhythms, outcomes: Outcomes, debtor: Ints, at: Ints) -> Ints:
    """Each debtor's rhythm as of an instant."""
    book = RhythmBook(outcomes, rhythms.base, SETTLED_AFTER)
    return rhythms.assign(*book.counts(debtor, at))


def cells_of(knowledge: Knowledge, rhythms: Rhythms) -> Cells:
    """Where each contact falls."""
    outcomes = knowledge.outcomes
    rhythm = rhythm_codes(rhythms, outcomes, outcomes.debtor, outcomes.sent_at)
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
