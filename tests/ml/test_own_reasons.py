import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml.decisions import debtor_recommendations
from ml.features import Casebook
from ml.local_time import MICROSECONDS
from ml.outcomes import CHANNELS
from ml.own_reasons import _RECORDS, _contributions, own_reasons
from tests.ml.factories import history, model

ANSWERED = re.compile(r"they answered (none of the|both|all|\d+ of the)(?: (\d+))? e-mails so far")
ONLY = re.compile(r"they (answered|did not answer) the only e-mail so far")
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
    answered = pl.min_horizontal("opened_at", "replied_at")
    counts = sent.group_by("debtor").agg(sent=pl.len(), answered=answered.is_not_null().sum())
    truth = {key: (made, hits) for key, made, hits in counts.iter_rows()}
    keys, checked = known.debtors["debtor"].to_list(), 0
    for row, sentences in zip(rows, told, strict=True):
        assert len(sentences) <= 2
        for sentence in sentences:
            found = ANSWERED.search(sentence)
            if found:
                of, share = int(found[2] or 2), found[1].split()[0]
                said = {"none": 0, "both": 2, "all": of}.get(share)
                assert (of, int(share) if said is None else said) == truth[keys[row]]
                checked += 1
            elif only := ONLY.search(sentence):
                assert (1, int(only[1] == "answered")) == truth[keys[row]]
    assert checked > 50


def test_contacts_too_young_to_tell_are_not_said_never_to_have_been_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are of the last three days, and hardly any is answered yet; every record is named, however little it says."""
    monkeypatch.setattr("ml.own_reasons.MOST_NAMED", 99)
    monkeypatch.setattr("ml.own_reasons.LEAST_MOVED", 0.0)
    known, rows = history(), np.arange(600)
    sent = known.outbound.filter(pl.col("sent_at") > known.as_of - pl.duration(days=3)).drop("delivered")
    made = {(key, channel) for key, channel in sent.select("debtor", "channel").iter_rows()}
    contacted = {key for key, _ in made}
    book, keys, nevers = Casebook(replace(known, communications=sent)), known.debtors["debtor"].to_list(), 0
    for code, channel in enumerate(CHANNELS):
        told = own_reasons(model(), book, rows, np.full(600, code), _at())
        for row, sentences in zip(rows, told, strict=True):
            said = " ".join(sentences)
            assert "not been contacted before" not in said or keys[row] not in contacted
            assert "they have had no" not in said or (keys[row], channel) not in made
            nevers += "not been contacted before" in said or "they have had no" in said
    assert nevers


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


@pytest.mark.parametrize(
    ("values", "channel", "said"),
    [
        ({"own_settled_there": 0}, "VOICE", "they have had no calls yet"),
        (
            {"own_settled_there": 1, "answered_there": 0},
            "EMAIL",
            "they did not answer the only e-mail so far",
        ),
        ({"own_settled_there": 1, "answered_there": 1}, "VOICE", "they answered the only call so far"),
        ({"own_settled_there": 2, "answered_there": 2}, "SMS", "they answered both text messages so far"),
        ({"own_settled_there": 3, "answered_there": 3}, "LETTER", "they answered all 3 letters so far"),
        (
            {"own_settled_there": 3, "answered_there": 0},
            "PUSH",
            "they answered none of the 3 push messages so far",
        ),
        (
            {"own_settled_there": 5, "answered_there": 1},
            "WHATSAPP",
            "they answered 1 of the 5 WhatsApp messages so far",
        ),
        (
            {"own_settled_there": 2, "sent_there": 4, "answered_there": 1},
            "SMS",
            "they answered 1 of the 4 text messages so far",
        ),
        ({"own_settled_there": 0, "sent_there": 1, "answered_there": 0}, "SMS", None),
        ({"contacts_30_days": 0}, "SMS", "they were not contacted in the last 30 days"),
        ({"contacts_30_days": 1}, "SMS", "they were contacted once in the last 30 days"),
        ({"contacts_30_days": 3}, "SMS", "they were contacted 3 times in the last 30 days"),
        ({"payments_so_far": 1, "days_since_payment": 1}, "SMS", "they have paid once, 1 day ago"),
        (
            {"payments_so_far": 2, "days_since_payment": 0.2},
            "SMS",
            "they have paid twice, the last time today",
        ),
        ({"days_past_due": 1}, "SMS", "the debt is 1 day past due"),
        ({"owed": 1200, "open_accounts": 1}, "SMS", "they owe 1,200 EUR on one account"),
        ({"owed": 0.02, "open_accounts": 1}, "SMS", "they owe 0.02 EUR on one account"),
        ({"owed": 1200, "open_accounts": 2}, "SMS", "they owe 1,200 EUR on 2 accounts"),
        ({"promises_so_far": 0}, "SMS", "they have never promised to pay"),
        ({"promises_so_far": 2}, "SMS", "they have promised to pay twice"),
    ],
)
def test_records_are_said_in_the_number_they_have(
    values: dict[str, float], channel: str, said: str | None
) -> None:
    row = {"answers_recorded": 1.0, "sent_there": values.get("own_settled_there", 0.0), **values}
    (record,) = (one for one in _RECORDS if set(values) & set(one.features))
    assert record.words(row, channel, "EUR") == said
