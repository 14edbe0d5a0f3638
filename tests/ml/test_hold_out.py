from datetime import timedelta

import numpy as np
import polars as pl

from ml.casework import gather
from ml.features import Casebook
from ml.frames import History
from ml.hold_out import Rehearsal, rehearse
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
