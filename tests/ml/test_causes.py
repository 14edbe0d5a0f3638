"""Which payments contacts are credited with: those of readers who leave no trace, none that chance alone suggests."""

from functools import cache

import numpy as np
import polars as pl
import pytest

from ml.arrays import Floats
from ml.causes import receipts_of, trace_causes
from ml.features import Casebook
from ml.frames import Facts, History
from ml.outcomes import CHANNELS
from tests.ml.worlds import World, make_world


@cache
def _world(seed: int) -> World:
    """Whoever a contact moves to pay has opened it or answered, as the events tell."""
    return make_world(debtors=2_000, seed=seed, channels=6)


def _credited(facts: Facts, made: World) -> tuple[Floats, Floats]:
    """(channels,) each: payments moved by all contacts, and by those without a sign."""
    book = Casebook(History.from_facts(facts, as_of=made.as_of))
    outcomes = book.outcomes
    moved = trace_causes(outcomes, receipts_of(book), book, np.zeros(len(book.debtors), dtype=np.int64)).moved
    silent = outcomes.engaged_at > outcomes.seen_until
    size = len(CHANNELS)
    return np.bincount(outcomes.channel, moved, size), np.bincount(outcomes.channel, moved * silent, size)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_contacts_without_a_sign_are_credited_with_nothing_where_they_move_nobody(seed: int) -> None:
    made = _world(seed)
    moved, silent = _credited(made.facts, made)
    assert moved.min() > 10
    assert silent.sum() < 0.01 * moved.sum()
    assert (silent < 0.05 * moved).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_letters_are_credited_though_nobody_sees_who_reads_them(seed: int) -> None:
    made, letter = _world(seed), CHANNELS.index("LETTER")
    sent = made.facts["communications"]
    letters = sent.filter(pl.col("channel") == "LETTER")["reference"]
    events = made.facts["events"].filter(~pl.col("communication").is_in(letters.implode()))
    seen, _ = _credited(made.facts, made)
    moved, silent = _credited({**made.facts, "events": events}, made)
    assert silent[letter] == moved[letter] == pytest.approx(seen[letter], rel=0.3)
