from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ml.arrays import Floats
from ml.boosting import sigmoid
from ml.calibration import fit_platt
from ml.casework import gather
from ml.features import Casebook
from ml.frames import History
from ml.hold_out import EVEN_DRAW, Rehearsal, as_if_drawn_evenly, rehearse
from tests.ml.factories import SEED, world
from tests.ml.world_facts import START

NEW = ("S000", "S001", "S002")


def rehearsed(*, new_ones: bool, seed: int) -> Rehearsal:
    """Half of the segments were not contacted before the last fortnight, or never."""
    made = world()
    late = pl.col("sent_at") > START + timedelta(days=105)
    new = made.facts["debtors"].filter(pl.col("segment").is_in(NEW))["reference"].implode()
    kept = made.facts["communications"].filter(~pl.col("debtor").is_in(new) | (late & new_ones))
    known = History.from_facts({**made.facts, "communications": kept}, as_of=made.as_of)
    casework = gather(Casebook(known), use_age=False)
    return rehearse(casework, casework.known_at(casework.book.outcomes.seen_until), seed=seed, threads=1)


def test_segments_that_could_not_be_foreseen_take_nothing_from_what_is_known_of_others() -> None:
    # One rehearsal's slope is off by .05 by chance, as half of the debtors tell it.
    alone, beside = (
        np.mean(
            [rehearsed(new_ones=new, seed=SEED + each).platts["engaged"].slope.mean() for each in range(4)]
        )
        for new in (False, True)
    )
    assert abs(alone - beside) < 0.1


def slopes_told(seed: int) -> tuple[float, float, float]:
    """Of what is foretold too far apart at its top: by contacts drawn evenly; by those of a sender who nearly always
    makes the contact that is foretold the most of fifty, as if drawn evenly; by these as they are."""
    generator, senders, options, floor = np.random.default_rng(seed), 20_000, 50, 0.05
    margins = generator.normal(-2.0, 0.8, (senders, options))
    best, line = margins.argmax(axis=1), np.arange(senders)
    chosen = np.where(generator.random(senders) < floor, generator.integers(0, options, senders), best)
    propensity = floor / options + (1 - floor) * (chosen == best)

    def slope(margin: Floats, counts: Floats) -> float:
        label = (generator.random(senders) < sigmoid(np.minimum(margin, -1.0))).astype(np.float64)
        return float(fit_platt(margin, label, counts, np.zeros(senders, dtype=np.int64)).slope[0])

    sent, each = margins[line, chosen], np.ones(senders)
    weighed = slope(sent, as_if_drawn_evenly(propensity, each))
    return slope(margins[:, 0], each), weighed, slope(sent, each)


def test_slopes_are_those_of_an_even_draw_though_the_best_were_chosen() -> None:
    # A thousand even draws of each seed tell its slope to .12.
    even, weighed, plain = np.mean([slopes_told(seed) for seed in range(8)], axis=0)
    assert abs(weighed - even) < 0.1
    assert plain < even - 0.4


@given(
    st.lists(st.floats(1e-6, 1.0) | st.just(float("nan")), min_size=1, max_size=30),
    st.floats(0.5, 20.0),
    st.floats(EVEN_DRAW, 1.0),
)
def test_contacts_count_as_drawn_evenly_and_together_for_no_more_than_they_are(
    logged: list[float], count: float, same: float
) -> None:
    propensity, counts = np.array(logged), np.full(len(logged), count)
    found = as_if_drawn_evenly(propensity, counts)
    assert 0 < found.sum() <= counts.sum() * (1 + 1e-9)
    share = np.minimum(1.0, EVEN_DRAW / np.nan_to_num(propensity, nan=EVEN_DRAW))
    assert np.allclose(found / found.max(), share / share.max())
    assert np.allclose(as_if_drawn_evenly(np.full(len(logged), same), counts), counts)
    assert np.allclose(as_if_drawn_evenly(np.full(len(logged), np.nan), counts), counts)
