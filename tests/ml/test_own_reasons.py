import re

import numpy as np
import polars as pl

from ml.decisions import debtor_recommendations
from ml.features import Casebook
from ml.local_time import MICROSECONDS
from ml.outcomes import CHANNELS
from ml.own_reasons import _RECORDS, _contributions, own_reasons
from tests.ml.factories import history, model

ANSWERED = re.compile(r"they answered (\d+) of the (\d+) e-mails so far")
PAID = re.compile(r"they have paid (once|twice|(\d+) times)")
EMAIL = CHANNELS.index("EMAIL")


def _at() -> int:
    return int(history().as_of.timestamp() * MICROSECONDS)


def test_what_features_add_is_all_that_sets_a_debtor_apart() -> None:
    book, rows = Casebook(history()), np.arange(300)
    columns = book.columns(book.contacts(rows, np.zeros(300, np.int64), np.full(300, _at())))
    matrix = model().space.matrix(columns)
    margins = sum(
        model().conversion.steps[name].staged.margin_a(matrix, np.zeros(300, np.int64), 1)
        for name in ("engaged", "moved")
    )
    rest = margins - _contributions(model(), matrix).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)


def test_sentences_say_what_the_history_holds() -> None:
    known, book = history(), Casebook(history())
    rows = np.arange(600)
    told = own_reasons(model(), book, rows, np.full(600, EMAIL), _at())
    sent = known.outbound.filter(pl.col("channel") == "EMAIL")
    late = known.as_of - pl.duration(days=7)
    answered = pl.min_horizontal("opened_at", "replied_at")
    counts = sent.group_by("debtor").agg(
        settled=((pl.col("sent_at") < late) | answered.is_not_null()).sum(),
        answered=(answered <= pl.col("sent_at") + pl.duration(days=7)).sum(),
    )
    truth = {key: (settled, hits) for key, settled, hits in counts.iter_rows()}
    keys, checked = known.debtors["debtor"].to_list(), 0
    for row, sentences in zip(rows, told, strict=True):
        assert len(sentences) <= 2
        for sentence in sentences:
            found = ANSWERED.search(sentence)
            if found:
                settled, hits = truth[keys[row]]
                assert (int(found[2]), int(found[1])) == (settled, hits)
                checked += 1
    assert checked > 50


def test_only_what_a_debtor_did_owes_or_was_sent_has_words() -> None:
    features = {name for record in _RECORDS for name in record.features}
    forbidden = {"age", "country", "region", "language", "segment", "product", "customer_days"}
    assert not features & forbidden
    assert not [name for name in features if "x_" in name]


def test_recommendations_give_the_debtors_own_reasons_and_nobody_left_alone_has_them() -> None:
    known = history()
    keys = known.debtors["debtor"].to_list()[:200]
    answers = debtor_recommendations(model(), known, keys, now=known.as_of)
    own = [
        [reason for reason in answer.recommendation.reasons if reason.startswith(("For it:", "Against it:"))]
        for answer in answers
    ]
    named = [
        bool(reasons) for reasons, answer in zip(own, answers, strict=True) if answer.recommendation.best
    ]
    assert np.mean(named) > 0.5
    assert len({tuple(reasons) for reasons in own}) > 20
    assert not any(
        reasons for reasons, answer in zip(own, answers, strict=True) if answer.recommendation.best is None
    )
    assert own_reasons(model(), Casebook(known), np.arange(3), np.full(3, -1), _at()) == [(), (), ()]
