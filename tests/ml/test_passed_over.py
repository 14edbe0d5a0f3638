"""Where more is told of another channel than of the one recommended, the reasons say why it is not that one."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ml.actions import Action, Recommendation
from ml.decisions import debtor_recommendations, segment_recommendations
from ml.outcomes import CHANNELS
from ml.passed_over import Told, why_passed_over
from ml.segment_plans import own_panel
from tests.ml.factories import history, model

LETTER = CHANNELS.index("LETTER")
SPOKEN = {
    "EMAIL": "e-mail",
    "SMS": "text message",
    "WHATSAPP": "WhatsApp",
    "PUSH": "push",
    "LETTER": "letter",
    "VOICE": "call",
}


def told(name: str, mean: float, reach: float = 1.0, **net: str) -> Told:
    return Told(name, {currency: Decimal(amount) for currency, amount in net.items()}, mean, reach)


CALL = told("a call", 9.0, 0.9, EUR="10.00", DKK="74.60")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], []),
        ([told("an SMS", 9.5, 1.0, EUR="9.50", DKK="70.00")], []),
        (
            [told("an SMS", 9.9, 0.95, EUR="10.50", DKK="74.00")],
            ["An SMS is expected to bring more, but not by enough to be sure of it."],
        ),
        (
            [told("an e-mail", 9.8, EUR="10.20"), told("a letter", 9.7, EUR="10.10")],
            ["An e-mail and a letter are expected to bring more, but not by enough to be sure of it."],
        ),
        (
            [told("a push message", 4.5, 0.3, EUR="15.00", DKK="112.00")],
            [
                "A push message is expected to bring more from those it reaches, but it reaches 30.0 % of the debtors "
                "here, and a call 90.0 %."
            ],
        ),
        (
            [told("a letter", 8.0, 0.9, EUR="7.00", DKK="80.00")],
            [
                "In DKK a letter is expected to bring more, but not over the debtors of all currencies together."
            ],
        ),
        (
            [
                told("a letter", 8.0, 0.9, EUR="7.00", DKK="80.00"),
                told("a push message", 4.5, 0.3, EUR="15.00", DKK="112.00"),
                told("an SMS", 7.0, 0.9, EUR="6.00", DKK="75.00"),
            ],
            [
                "A push message is expected to bring more from those it reaches, but it reaches 30.0 % of the debtors "
                "here, and a call 90.0 %.",
                "In DKK a letter and an SMS are expected to bring more, but not over the debtors of all currencies "
                "together.",
            ],
        ),
        ([told("a letter", 8.0, 0.9, USD="1000.00")], []),
    ],
    ids=[
        "alone",
        "less is told",
        "unsure",
        "several unsure",
        "reaches few",
        "in one currency",
        "several in one currency",
        "another currency",
    ],
)
def test_each_cause_has_its_sentence_and_nothing_else_is_said(others: list[Told], said: list[str]) -> None:
    assert why_passed_over(CALL, others) == tuple(said)


def more_is_told_of(answer: Recommendation) -> list[Action]:
    assert answer.best is not None
    best = {estimate.currency: estimate.amount for estimate in answer.best.expected.net}
    return [
        other
        for other in answer.alternatives
        if any(
            estimate.amount > best.get(estimate.currency, estimate.amount) for estimate in other.expected.net
        )
    ]


def explained(answer: Recommendation) -> str:
    return " ".join(reason for reason in answer.reasons if "expected to bring more" in reason)


def test_every_debtor_of_whose_alternatives_more_is_told_hears_why_and_nobody_else() -> None:
    keys = history().debtors["debtor"].to_list()[:600]
    told_of = 0
    for found in debtor_recommendations(model(), history(), keys, now=history().as_of):
        answer = found.recommendation
        if answer.best is None:
            assert not explained(answer)
            continue
        more = more_is_told_of(answer)
        told_of += bool(more)
        assert bool(explained(answer)) == bool(more)
        for other in more:
            assert re.search(rf"\b{SPOKEN[other.channel]}\b", explained(answer))
            # "Not by enough to be sure of it": so says its interval too.
            assert "sure of it" in explained(answer)
            assert other.expected.net[0].low < answer.best.expected.net[0].amount
    assert 20 < told_of < 400


def test_a_channel_that_reaches_few_of_a_segment_says_how_many() -> None:
    """Every tenth debtor has told where to write to, and there a letter pays six times as well."""
    panel = own_panel(model())
    reachable, amount = panel.standing.reachable.copy(), panel.standing.amount.copy()
    reachable[:, LETTER] = np.arange(len(reachable)) % 10 == 0
    amount[:, LETTER] *= 6
    few = replace(
        model(), panel=replace(panel, standing=replace(panel.standing, reachable=reachable, amount=amount))
    )
    answers = [found.recommendation for found in segment_recommendations(few, now=history().as_of)]
    said = [
        explained(answer) for answer in answers if answer.best is not None and answer.best.channel != "LETTER"
    ]
    assert said
    assert any(re.search(r"A letter .* reaches (\d|1\d)\.\d % of the debtors here", each) for each in said)
    for answer in answers:
        if answer.best is not None:
            assert bool(explained(answer)) == bool(more_is_told_of(answer))
