"""Payments that come anyway, whenever contacts are made, are no evidence of what contacts do."""

import numpy as np
import polars as pl

from ml.casework import Knowledge, gather
from ml.circumstances import segment_facts_of
from ml.features import Casebook
from ml.frames import Facts, History
from ml.model import SegmentFacts
from ml.wording import STRONG_MOVED
from tests.ml.factories import world
from tests.ml.world_facts import START


def learned_from(facts: Facts) -> tuple[SegmentFacts, Knowledge]:
    known = History.from_facts(facts, as_of=world().as_of)
    casework = gather(Casebook(known), use_age=False)
    everything = casework.known_at(casework.book.outcomes.seen_until)
    return segment_facts_of(casework, everything), everything


def at_any_time(payments: pl.DataFrame) -> pl.DataFrame:
    """As many payments of the same debtors, at hours that have nothing to do with contacts."""
    span = (world().as_of - START).total_seconds() * 1e6
    drawn = (np.random.default_rng(4).random(len(payments)) * span).astype(np.int64)
    later = pl.Series(drawn).cast(pl.Duration("us"))
    return payments.with_columns(paid_at=pl.lit(START).cast(pl.Datetime("us", "UTC")) + later)


def test_payments_that_come_anyway_make_no_evidence_strong() -> None:
    facts = world().facts
    found, _ = learned_from({**facts, "payments": at_any_time(facts["payments"])})
    assert found.engaged.sum() > 1_000
    assert (found.moved < STRONG_MOVED).all()


def test_payments_that_contacts_move_are_counted_nearly_in_full() -> None:
    found, known = learned_from(world().facts)
    assert found.moved.sum() > 0.75 * known.traced.moved.sum()
    assert (found.moved >= STRONG_MOVED).mean() > 0.3
    assert (known.traced.surely <= known.traced.moved + 1e-12).all()
