"""What of a debtor's own record spoke for or against contacting it on a channel, in words.

From the contributions of the features to the first stage's log-odds of engaging and of paying once engaged (Shapley
values of the trees, exact): features that tell the same are taken together, and those that moved this debtor's odds
most are named with their values. Only what a debtor did, owes or was sent is ever named: age, place, language and
custom attributes have no words here, whatever they weigh. Source: Lundberg et al. 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.arrays import Floats, Ints, sums_by
from ml.channel_words import plural, singular
from ml.features import Casebook, Columns
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.values import exchange_rates, main_currency
from ml.wording import records_answers

MOST_NAMED = 2
LEAST_MOVED = 0.1
"""Log-odds that a record must have moved to be named: a tenth of the odds."""

_WHOLE = 10.0
"""Debts below which cents are told."""

_STEPS = ("engaged", "moved")

Row = dict[str, float]


@dataclass(frozen=True)
class _Record:
    """Features that tell the same, and how they are said; None: there is nothing to say."""

    features: tuple[str, ...]
    words: Callable[[Row, str, str], str | None]
    """Of its values, the channel and the currency of money."""


def own_reasons(
    model: TrainedModel, book: Casebook, debtor: Ints, channel: Ints, at: int
) -> list[tuple[str, ...]]:
    """Per debtor (positions in book.debtors) at most two sentences on why this channel (codes; below 0: none), as of
    an instant (microseconds); the record that moved the odds most first."""
    rows = np.flatnonzero(channel >= 0)
    found: list[tuple[str, ...]] = [() for _ in channel]
    if not len(rows):
        return found
    columns = book.columns(book.contacts(debtor[rows], channel[rows], np.full(len(rows), at, dtype=np.int64)))
    moved = _contributions(model, model.space.matrix(columns))
    places = {name: place for place, name in enumerate(model.space.names)}
    totals = np.column_stack(
        [
            moved[:, [places[name] for name in record.features if name in places]].sum(axis=1)
            for record in _RECORDS
        ]
    )
    currency = main_currency(columns, model)
    numbers = _numbers(columns)
    numbers |= _answered_so_far(book, debtor[rows], channel[rows], at)
    numbers["owed"] = np.expm1(numbers["log_balance"]) / exchange_rates(book, currency)
    numbers["answers_recorded"] = records_answers(model)[channel[rows]].astype(np.float64)
    for line, row in enumerate(rows):
        values = {name: float(column[line]) for name, column in numbers.items()}
        found[row] = tuple(_sentences(totals[line], values, CHANNELS[int(channel[row])], currency[line]))
    return found


def _contributions(model: TrainedModel, matrix: np.ndarray) -> Floats:
    """(n, features) what each feature adds to the log-odds, against the mean debtor's."""
    total = np.zeros(matrix.shape)
    for name in _STEPS:
        trees = model.conversion.steps[name].staged.stage_a
        if trees is not None:
            parts = trees.predict(matrix, pred_contrib=True, num_threads=1)
            total += np.asarray(parts)[:, :-1]
    return total


def _answered_so_far(book: Casebook, debtor: Ints, channel: Ints, at: int) -> dict[str, Floats]:
    """Contacts made before an instant on any channel, and there, and how many of them were answered by then. The
    features leave out those that are too young to tell; who reads the reasons counts them."""
    outcomes, channels = book.outcomes, len(CHANNELS)
    made = np.flatnonzero(np.isin(outcomes.debtor, debtor) & (outcomes.sent_at < at))
    known, place = np.unique(debtor, return_inverse=True)
    there = np.searchsorted(known, outcomes.debtor[made]) * channels + outcomes.channel[made]
    found: dict[str, Floats] = {}
    for name, counts in (("sent", np.ones(len(made))), ("answered", outcomes.engaged_at[made] < at)):
        table = sums_by(there, counts.astype(np.float64), len(known) * channels).reshape(-1, channels)[place]
        found |= {name: table.sum(axis=1), f"{name}_there": table[np.arange(len(place)), channel]}
    return found


def _numbers(columns: Columns) -> dict[str, Floats]:
    wanted = {name for record in _RECORDS for name in record.features}
    return {
        name: column
        for name, column in columns.items()
        if name in wanted and not isinstance(column, pl.Series)
    }


def _sentences(totals: Floats, values: Row, channel: str, currency: str) -> list[str]:
    said: list[str] = []
    for place in np.argsort(-np.abs(totals), kind="stable"):
        words = _RECORDS[place].words(values, channel, currency)
        if abs(totals[place]) < LEAST_MOVED or len(said) == MOST_NAMED:
            break
        if words is not None:
            said.append(f"{'For' if totals[place] > 0 else 'Against'} it: {words}.")
    return said


# ---- how each record is said ----


def _answers_there(row: Row, channel: str, _currency: str) -> str | None:
    sent, settled = round(row["sent_there"]), round(row["own_settled_there"])
    if not row["answers_recorded"] or (sent and not settled):
        return None
    if not sent:
        return f"they have had no {plural(channel)} yet"
    return _answered(round(row["answered_there"]), sent, singular(channel), plural(channel))


def _answers(row: Row, _channel: str, _currency: str) -> str | None:
    sent, settled = round(row["sent"]), round(row["own_settled"])
    if sent and not settled:
        return None
    if not sent:
        return "they have not been contacted before"
    answered = round(row["answered"])
    since = row["days_since_engaged"]
    said = _answered(answered, sent, "contact on any channel", "contacts on any channel")
    if np.isnan(since) or not answered:
        return said
    return f"{said}, {'' if sent == 1 else 'the last time '}{_ago(since)}"


def _pressure(row: Row, _channel: str, _currency: str) -> str | None:
    contacts = round(row["contacts_30_days"])
    return f"they were {f'contacted {_times(contacts)}' if contacts else 'not contacted'} in the last 30 days"


def _payments(row: Row, _channel: str, _currency: str) -> str | None:
    paid, since = round(row["payments_so_far"]), row["days_since_payment"]
    if not paid or np.isnan(since):
        return "they have not paid anything yet"
    return f"they have paid {_times(paid)}, {'' if paid == 1 else 'the last time '}{_ago(since)}"


def _overdue(row: Row, _channel: str, _currency: str) -> str | None:
    days = row["days_past_due"]
    if np.isnan(days):
        return None
    return f"the debt is {_count(round(days), 'day')} past due" if days >= 1 else "nothing is past due yet"


def _debt(row: Row, _channel: str, currency: str) -> str | None:
    accounts = round(row["open_accounts"])
    where = "one account" if accounts == 1 else f"{accounts:,} accounts"
    places = 0 if row["owed"] >= _WHOLE else 2
    return f"they owe {row['owed']:,.{places}f} {currency} on {where}" if accounts else None


def _promises(row: Row, _channel: str, _currency: str) -> str | None:
    promises = round(row["promises_so_far"])
    return f"they have promised to pay {_times(promises)}" if promises else "they have never promised to pay"


_RECORDS = (
    _Record(("own_response_there", "own_settled_there"), _answers_there),
    _Record(("own_response", "own_settled", "days_since_engaged"), _answers),
    _Record(
        (
            "contacts_30_days",
            "contacts_7_days",
            "contacts_there_30_days",
            "days_since_contact",
            "days_since_contact_there",
        ),
        _pressure,
    ),
    _Record(("payments_so_far", "days_since_payment", "paid_share"), _payments),
    _Record(("days_past_due", "days_past_due_at_first_contact"), _overdue),
    _Record(("log_balance", "open_accounts", "log_principal"), _debt),
    _Record(("promises_so_far",), _promises),
)


def _answered(answered: int, sent: int, one: str, many: str) -> str:
    """sent: above 0. one, many: what was sent."""
    if sent == 1:
        return f"they {'answered' if answered else 'did not answer'} the only {one} so far"
    if not answered:
        return f"they answered none of the {sent:,} {many} so far"
    if answered == sent:
        return f"they answered {'both' if sent == 2 else f'all {sent:,}'} {many} so far"
    return f"they answered {answered:,} of the {sent:,} {many} so far"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def _ago(days: float) -> str:
    return "today" if days < 1 else f"{_count(round(days), 'day')} ago"
