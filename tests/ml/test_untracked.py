"""Creditors who record payments alone, or openings on one channel only."""

import re
from functools import cache

import numpy as np
import polars as pl

from ml.actions import Evidence
from ml.decisions import debtor_recommendations, segment_recommendations
from ml.features import Casebook
from ml.frames import History
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.scoring import Scorer
from ml.segment_plans import usual_plan
from ml.values import Ahead
from tests.ml.factories import SEED, world


@cache
def known(*tracked: str) -> History:
    """The history without what debtors did on channels other than those."""
    made = world()
    shown = made.facts["communications"].filter(pl.col("channel").is_in(tracked))["reference"]
    events = made.facts["events"].filter(
        pl.col("communication").is_in(shown.implode()) | (pl.col("kind") == "DELIVERED")
    )
    return History.from_facts({**made.facts, "events": events}, as_of=made.as_of)


@cache
def learned(*tracked: str) -> TrainedModel:
    return train(known(*tracked), as_of=known().as_of, seed=SEED, threads=1)


def test_payments_alone_teach_what_contacts_bring() -> None:
    made, chosen, told = world(), 0.0, 0
    for answer in segment_recommendations(learned(), known(), now=known().as_of):
        best, mine = answer.recommendation.best, made.segment == int(answer.segment[1:])
        assert best is not None
        assert best.expected.open_rate is None
        assert best.expected.seconds_to_open is None
        told += answer.recommendation.evidence is Evidence.STRONG
        chosen += float(made.value[mine, CHANNELS.index(best.channel), best.hour_of_week].sum())
    assert chosen > 1.2 * float(made.logged.sum())
    assert told


def test_no_answer_is_claimed_where_none_is_ever_recorded() -> None:
    keys = known().debtors["debtor"].to_list()[:300]
    answers = debtor_recommendations(learned("EMAIL"), known("EMAIL"), keys, now=known().as_of)
    reasons = [
        (answer.recommendation.best.channel, " ".join(answer.recommendation.reasons))
        for answer in answers
        if answer.recommendation.best is not None
    ]
    untracked = [said for channel, said in reasons if channel != "EMAIL"]
    assert untracked
    for said in untracked:
        assert re.search(
            "no (text message|WhatsApp message|push message|letter|call) was ever recorded as", said
        )
        assert "answered by 0.0 %" not in said
        assert "messages so far" not in said
        assert "calls so far" not in said
    assert not any("was ever recorded as" in said for channel, said in reasons if channel == "EMAIL")


def test_files_tell_no_openings_where_none_are_ever_recorded() -> None:
    model, book = learned("EMAIL"), Casebook(known("EMAIL"))
    ahead = Ahead.of(known().as_of)
    scores = Scorer.of(model, usual_plan(model)).scores(book, np.arange(len(book.debtors)), ahead=ahead)
    contacted = scores.drop_nulls("channel")
    untracked = contacted.filter(pl.col("channel") != "EMAIL")
    assert len(untracked)
    assert untracked["open_rate"].null_count() == untracked["open_p50"].null_count() == len(untracked)
    assert contacted.filter(pl.col("channel") == "EMAIL")["open_rate"].null_count() == 0
