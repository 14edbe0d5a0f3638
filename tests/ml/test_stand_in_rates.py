import re
from dataclasses import replace
from functools import cache
from math import ceil

import numpy as np
import polars as pl
import pytest

from ml.decisions import debtor_recommendations, segment_recommendations
from ml.frames import Facts, History
from ml.model import TrainedModel
from ml.recipe import train
from ml.stand_in_rates import stand_in_rates
from tests.ml.factories import SEED, tiny, world

FORINTS = 400.0


def in_forints(facts: Facts) -> Facts:
    """The same world, but that of every other debtor the money is in forints."""

    def converted(table: str, debtor: str, *amounts: str) -> pl.DataFrame:
        foreign = pl.col(debtor).str.slice(1).cast(pl.Int64) % 2 == 1
        return facts[table].with_columns(
            *(pl.col(name) * pl.when(foreign).then(FORINTS).otherwise(1.0) for name in amounts),
            currency=pl.when(foreign).then(pl.lit("HUF")).otherwise(pl.lit("EUR")),
        )

    return {
        **facts,
        "accounts": converted("accounts", "debtor", "principal"),
        "communications": converted("communications", "debtor", "cost"),
        "payments": converted("payments", "account", "amount"),
    }


@cache
def without_rates() -> History:
    made = world()
    return History.from_facts(in_forints(made.facts), as_of=made.as_of, currency="EUR")


@cache
def learned() -> TrainedModel:
    return train(without_rates(), as_of=without_rates().as_of, seed=SEED, threads=1)


def nets(model: TrainedModel, known: History) -> dict[tuple[str, str, str], float]:
    return {
        (answer.segment, action.channel, estimate.currency): float(estimate.amount)
        for answer in segment_recommendations(model, known, now=known.as_of)
        for action in (answer.recommendation.best, *answer.recommendation.alternatives)
        if action is not None
        for estimate in action.expected.net
    }


def test_a_currency_without_a_rate_counts_by_its_usual_debt() -> None:
    known = tiny(debtors=5)
    owing = known.accounts.with_columns(
        currency=pl.Series(["EUR", "EUR", "HUF", "HUF", "USD"]),
        principal=pl.Series([100.0, 300.0, 40_000.0, 120_000.0, 50.0]),
    )
    known = replace(known, accounts=owing)
    assert stand_in_rates(known) == pytest.approx({"HUF": 200 / 80_000, "USD": 4.0})
    assert stand_in_rates(replace(known, rates={"HUF": 0.0025})) == pytest.approx({"USD": 4.0})
    assert stand_in_rates(replace(known, currency="CHF")) == pytest.approx(
        {"EUR": 1.0, "HUF": 200 / 80_000, "USD": 4.0}
    )
    assert known.with_rates({"EUR": 9.0, "HUF": 2.0}).rates == {"HUF": 2.0}
    assert stand_in_rates(replace(known, accounts=owing.clear())) == {}


def test_a_contact_costs_in_each_currency_what_it_costs_there_although_no_rate_is_known() -> None:
    known = without_rates()
    for answer in segment_recommendations(learned(), known, now=known.as_of):
        assert answer.recommendation.best is not None
        for action in (answer.recommendation.best, *answer.recommendation.alternatives):
            paid = known.communications.filter(pl.col("channel") == action.channel)
            costs = dict(paid.group_by("currency").agg(pl.col("cost").mean()).iter_rows())
            for cost in action.expected.cost:
                assert float(cost.amount) == pytest.approx(costs[cost.currency], rel=0.15)


def test_what_is_expected_without_a_rate_is_what_is_expected_with_it() -> None:
    known = without_rates()
    rated = replace(known, rates={"HUF": 1 / FORINTS})
    told = nets(learned(), known)
    true = nets(train(rated, as_of=rated.as_of, seed=SEED, threads=1), rated)
    both = told.keys() & true.keys()
    assert len(both) >= 0.9 * len(told)
    ratio = np.array([told[key] / true[key] for key in both if abs(true[key]) > 1])
    assert 0.8 < np.median(ratio) < 1.25


def test_a_debtor_read_alone_is_worth_what_it_is_worth_among_the_others() -> None:
    known, asked = without_rates(), ["D000001", "D000003"]
    alone = replace(
        known,
        **{
            table: getattr(known, table).filter(pl.col("debtor").is_in(asked))
            for table in ("debtors", "accounts", "communications", "payments", "promises")
        },
    )
    assert debtor_recommendations(learned(), alone, asked, now=known.as_of) == debtor_recommendations(
        learned(), known, asked, now=known.as_of
    )


def test_what_a_debtor_owes_is_said_in_its_own_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is named, however little it says."""
    monkeypatch.setattr("ml.own_reasons.MOST_NAMED", 99)
    monkeypatch.setattr("ml.own_reasons.LEAST_MOVED", 0.0)
    known = without_rates()
    owed = re.compile(r"they owe ([\d,]+) (EUR|HUF)")
    own = dict(known.accounts.select("debtor", "currency").iter_rows())
    principal = dict(known.accounts.select("debtor", "principal").iter_rows())
    said = 0
    for answer in debtor_recommendations(
        learned(), known, known.debtors["debtor"].to_list(), now=known.as_of
    ):
        found = owed.search(" ".join(answer.recommendation.reasons))
        if found:
            said += 1
            assert found[2] == own[answer.debtor]
            assert int(found[1].replace(",", "")) <= ceil(principal[answer.debtor])
            assert int(found[1].replace(",", "")) >= int(0.05 * principal[answer.debtor])
    assert said > 20
