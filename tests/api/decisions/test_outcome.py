"""What a plan comes to, when parts of it are withdrawn."""

from collections.abc import Sequence

import numpy as np

from api.decisions.planned import PlannedPart
from api.decisions.surveying import Outcome
from domain.storage.decisions import Withdrawn
from domain.vocabulary import Arm
from ml.candidates import Total
from tests.api.learned import AS_OF
from tests.decided import decided


def _total(*nets: float) -> Total:
    gains = np.full((2, 2), sum(nets))
    net, count = sum(nets), len(nets)
    return Total(count, net + 0.1 * count, 0.1 * count, net, np.full(3, net), gains, np.full((2, 2), 9.0))


def _outcome() -> Outcome:
    """Of an SMS for 3.1 euros, one for 0.2, and an e-mail for 0.7 dollars."""
    outcome = Outcome()
    channels = ((1, "SMS"), (2, "SMS"), (3, "EMAIL"))
    decisions = [decided(one, AS_OF, {"channel": channel}) for one, channel in channels]
    outcome.add(PlannedPart(decisions, [], {"EUR": _total(3.1, 0.2), "USD": _total(0.7)}))
    return outcome


def _withdrawn(some: Sequence[tuple[int, str]]) -> list[Withdrawn]:
    return [Withdrawn(one, one, AS_OF, Arm.PLANNED, {"channel": channel}) for one, channel in some]


def test_neither_channel_nor_currency_is_named_of_which_nothing_is_left() -> None:
    outcome = _outcome()
    outcome.take_out(_withdrawn([(1, "SMS"), (3, "EMAIL")]), {"EUR": _total(3.1), "USD": _total(0.7)})
    assert (outcome.planned, outcome.by_channel) == (1, {"SMS": 1})
    assert outcome.expected([])["money"].keys() == {"EUR"}
    outcome.take_out(_withdrawn([(2, "SMS")]), {"EUR": _total(0.2)})
    assert (outcome.planned, outcome.by_channel, outcome.expected([])["money"]) == (0, {}, {})


def test_a_debtor_whose_currency_a_late_fact_has_changed_is_withdrawn_all_the_same() -> None:
    outcome = _outcome()
    outcome.take_out(_withdrawn([(2, "SMS")]), {"SEK": _total(2.0)})
    assert (outcome.planned, outcome.by_channel) == (2, {"SMS": 1, "EMAIL": 1})
    assert outcome.totals.keys() == {"EUR", "USD"}
