"""As-of features of a debtor on a channel: what was known strictly before an instant, never after.

`Casebook` indexes a history once; `Casebook.columns` answers for any debtors, channels and instants,
past or present. Debtor master data (segment, product, region, `x_…`) is taken as it stands, since facts
keep no versions of it; a past row's segment is the one recorded at `sent_at`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.arrays import Floats, Ints, sums_by
from ml.as_of import AsOfSums
from ml.frames import History
from ml.local_time import DAY_SECONDS, MICROSECONDS, NEVER, LocalTime, local_time, microseconds
from ml.outcomes import CHANNELS, Outcomes, in_tenant_currency, outcomes_of

DAY = DAY_SECONDS * MICROSECONDS
LEAST_OWED = 0.005
"""Who owes less, in the tenant's currency, owes nothing."""

SETTLED_AFTER = 7 * DAY
"""A contact without engagement counts as unanswered after this long, in the debtor's own response rate."""

_PRIOR_RATE, _PRIOR_CONTACTS = 0.2, 4.0
_DEBTOR_WORDS = ("country", "region", "language")

Columns = dict[str, NDArray[np.float64] | pl.Series]


@dataclass(frozen=True)
class Contacts:
    """Contacts made or thought of: debtor (position in history.debtors), channel (code), at
    (microseconds), one entry each."""

    debtor: Ints
    channel: Ints
    at: Ints
    local: LocalTime
    segment: pl.Series
    template: pl.Series

    def __len__(self) -> int:
        return len(self.at)


def contacts_made(outcomes: Outcomes) -> Contacts:
    """The contacts behind the labels."""
    return Contacts(
        outcomes.debtor,
        outcomes.channel,
        outcomes.sent_at,
        outcomes.local,
        outcomes.segment,
        outcomes.template,
    )


class Casebook:
    """A history indexed for as-of questions; building it is linear in the facts, each question
    logarithmic. threads: how many may work on one question at a time."""

    def __init__(self, history: History, outcomes: Outcomes | None = None, *, threads: int = 1) -> None:
        self.history = history
        self.outcomes = outcomes_of(history) if outcomes is None else outcomes
        self.debtors = history.debtors
        self._threads = threads
        self._index_contacts(self.outcomes)
        self._index_accounts()
        self._index_payments()

    def contacts(self, debtor: Ints, channel: Ints, at: Ints, template: pl.Series | None = None) -> Contacts:
        """Contacts thought of, in the debtors' present segments."""
        people = self.debtors[debtor] if len(debtor) else self.debtors.clear()
        templates = pl.Series("template", [None] * len(at), dtype=pl.String) if template is None else template
        segment = people["segment"].fill_null("NONE")
        return Contacts(debtor, channel, at, local_time(at, people["time_zone"]), segment, templates)

    def columns(self, contacts: Contacts) -> Columns:
        """Feature name → one value per contact: Float64 arrays (nan = unknown) for numbers, String
        series for words."""
        columns: Columns = {"channel": contacts.channel.astype(np.float64)}
        groups = (
            self._account_columns,
            self._contact_columns,
            self.channel_columns,
            self._payment_columns,
            self._debtor_columns,
        )
        with ThreadPoolExecutor(self._threads) as pool:
            for group in pool.map(lambda columns_of: columns_of(contacts), groups):
                columns |= group
        columns["day_of_month"] = contacts.local.day_of_month.astype(np.float64)
        columns["segment"] = contacts.segment.cast(pl.String)
        return columns

    def channel_columns(self, contacts: Contacts) -> Columns:
        """Those of `columns` that depend on the channel."""
        at = contacts.at
        there = contacts.debtor * len(CHANNELS) + contacts.channel
        answers = self._answers_there.before(there, at)
        return {
            "channel": contacts.channel.astype(np.float64),
            "contacts_there_30_days": self._sent_there.between(there, at - 30 * DAY, at)[:, 0],
            "days_since_contact_there": self._sent_there.last_before(there, at) / DAY_SECONDS,
            "own_response_there": _shrunk(answers),
            "own_settled_there": answers[:, 0],
        }

    def balances(self, debtor: Ints, at: Ints) -> Floats:
        """(n,) what each debtor owes before an instant of its own (n,), in the tenant's currency."""
        row, account = self._accounts_of(debtor)
        balance = self._open_balance(account, at[row], at[row] // DAY)
        return sums_by(row, balance, len(debtor))

    def lasting_balances(self, debtor: Ints, begin: int, end: int) -> Floats:
        """(n,) what each debtor owes from `begin` to `end` (microseconds) on accounts that are open all the while, by
        its own calendar, in the tenant's currency; payments before `begin` count."""
        row, account = self._accounts_of(debtor)
        zones = (self.debtors[debtor] if len(debtor) else self.debtors.clear())["time_zone"]
        first, last = (
            local_time(np.full(len(debtor), at, dtype=np.int64), zones).date[row] for at in (begin, end)
        )
        start = np.full(len(row), begin, dtype=np.int64)
        balance = np.minimum(*(self._open_balance(account, start, day) for day in (first, last)))
        return sums_by(row, balance, len(debtor))

    # ---- indexes ----

    def _index_contacts(self, outcomes: Outcomes) -> None:
        on_channel = outcomes.debtor * len(CHANNELS) + outcomes.channel
        engaged = outcomes.engaged_at <= outcomes.seen_until
        due = outcomes.sent_at + SETTLED_AFTER
        settled_at = np.minimum(np.where(engaged, outcomes.engaged_at, NEVER), due)
        answered = (engaged & (outcomes.engaged_at <= due)).astype(np.float64)
        settled = np.column_stack([np.ones(len(outcomes)), answered])
        with ThreadPoolExecutor(self._threads) as pool:
            self._answers, self._answers_there, self._sent, self._sent_there, self._engaged = pool.map(
                lambda sums: AsOfSums(*sums),
                (
                    (outcomes.debtor, settled_at, settled),
                    (on_channel, settled_at, settled),
                    (outcomes.debtor, outcomes.sent_at),
                    (on_channel, outcomes.sent_at),
                    (outcomes.debtor[engaged], outcomes.engaged_at[engaged]),
                ),
            )
        self._first_contact = np.full(len(self.debtors), NEVER)
        np.minimum.at(self._first_contact, outcomes.debtor, outcomes.sent_at)

    def _index_accounts(self) -> None:
        history = self.history
        positions = history.debtors.select("debtor").with_row_index("owner")
        accounts = history.accounts.join(positions, on="debtor", maintain_order="left").sort(
            "owner", maintain_order=True
        )
        accounts = accounts.with_columns(value=in_tenant_currency(history, "principal", "currency"))
        self._accounts = accounts.with_row_index("position")
        self._principal = accounts["value"].fill_null(0.0).to_numpy()
        self._due = _days(accounts["due_on"], missing=10**6)
        self._opened = _days(accounts["opened_on"], missing=-(10**6))
        self._closed = _days(accounts["closed_on"], missing=10**6)
        owner = accounts["owner"].cast(pl.Int64).to_numpy()
        self._first_account = np.searchsorted(owner, np.arange(len(history.debtors) + 1))

    def _index_payments(self) -> None:
        history = self.history
        positions = self._accounts.select("account", "position", "owner")
        payments = history.payments.join(positions, on="account", maintain_order="left").with_columns(
            value=in_tenant_currency(history, "amount", "currency").fill_null(0.0)
        )
        reversed_ones = payments.filter(pl.col("reversed_at").is_not_null())
        at = np.concatenate([microseconds(payments["paid_at"]), microseconds(reversed_ones["reversed_at"])])
        value = np.concatenate([payments["value"].to_numpy(), -reversed_ones["value"].to_numpy()])
        sign = np.concatenate([np.ones(len(payments)), -np.ones(len(reversed_ones))])
        both = pl.concat([payments.select("position", "owner"), reversed_ones.select("position", "owner")])
        account, owner = both["position"].cast(pl.Int64).to_numpy(), both["owner"].cast(pl.Int64).to_numpy()
        self._paid_on_account = AsOfSums(account, at, value)
        self._payments = AsOfSums(owner, at, np.column_stack([sign, value]))
        received = sign > 0
        self._received = AsOfSums(owner[received], at[received])
        promises = history.promises.join(
            history.debtors.select("debtor").with_row_index("owner"), on="debtor", maintain_order="left"
        )
        self._promises = AsOfSums(
            promises["owner"].cast(pl.Int64).to_numpy(), microseconds(promises["promised_at"])
        )

    # ---- columns ----

    def _accounts_of(self, debtor: Ints) -> tuple[Ints, Ints]:
        """(row, account) pairs: every account of every row's debtor."""
        first, last = self._first_account[debtor], self._first_account[debtor + 1]
        counts = last - first
        row = np.repeat(np.arange(len(debtor)), counts)
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return row, np.repeat(first, counts) + within

    def _open_balance(self, account: Ints, at: Ints, day: Ints) -> Floats:
        """Of accounts that are open on a day, less what was paid before an instant."""
        live = (self._opened[account] <= day) & (day < self._closed[account])
        paid = self._paid_on_account.before(account, at)[:, 0]
        return np.where(live, np.maximum(self._principal[account] - paid, 0.0), 0.0)

    def _account_columns(self, contacts: Contacts) -> Columns:
        count = len(contacts)
        row, account = self._accounts_of(contacts.debtor)
        balance = self._open_balance(account, contacts.at[row], contacts.at[row] // DAY)
        overdue = np.where(balance > 0, contacts.local.date[row] - self._due[account], -(10**6))
        past_due = np.full(count, -(10.0**6))
        np.maximum.at(past_due, row, overdue)
        days_past_due = np.where(past_due > -(10**5), past_due, np.nan)
        pursued = contacts.at - np.minimum(self._first_contact[contacts.debtor], contacts.at)
        owed = sums_by(row, balance, count)
        principal = sums_by(row, self._principal[account], count)
        largest = _row_of_largest(row, balance, count)
        attributes = (
            self._accounts[np.append(account, -1)[largest]] if len(account) else self._accounts.clear(count)
        )
        columns: Columns = {
            "log_balance": np.log1p(owed),
            "log_principal": np.log1p(principal),
            "days_past_due": days_past_due,
            # All debts of a portfolio age together, beyond any age that was learned from; this one stays.
            "days_past_due_at_first_contact": days_past_due - pursued // DAY,
            "open_accounts": sums_by(row, (balance > 0).astype(np.float64), count),
            "product": attributes["product"],
            "currency": attributes["currency"],
        }
        return columns | _attributes(attributes, "account_")

    def _contact_columns(self, contacts: Contacts) -> Columns:
        debtor, at = contacts.debtor, contacts.at
        answers = self._answers.before(debtor, at)
        return {
            "contacts_7_days": self._sent.between(debtor, at - 7 * DAY, at)[:, 0],
            "contacts_30_days": self._sent.between(debtor, at - 30 * DAY, at)[:, 0],
            "days_since_contact": self._sent.last_before(debtor, at) / DAY_SECONDS,
            "own_response": _shrunk(answers),
            "own_settled": answers[:, 0],
            "days_since_engaged": self._engaged.last_before(debtor, at) / DAY_SECONDS,
        }

    def _payment_columns(self, contacts: Contacts) -> Columns:
        debtor, at = contacts.debtor, contacts.at
        paid = self._payments.before(debtor, at)
        owed = self.balances(debtor, at)
        return {
            "payments_so_far": paid[:, 0],
            "paid_share": paid[:, 1] / np.maximum(paid[:, 1] + owed, 1e-9),
            "days_since_payment": self._received.last_before(debtor, at) / DAY_SECONDS,
            "promises_so_far": self._promises.before(debtor, at)[:, 0],
        }

    def _debtor_columns(self, contacts: Contacts) -> Columns:
        people = self.debtors[contacts.debtor] if len(contacts) else self.debtors.clear()
        since = _days(people["customer_since"], missing=0)
        known = people["customer_since"].is_not_null().to_numpy()
        born = _days(people["birth_date"], missing=0)
        age = (contacts.local.date - born) / 365.25
        columns: Columns = {name: people[name] for name in _DEBTOR_WORDS}
        columns["customer_days"] = np.where(known, contacts.local.date - since, np.nan)
        columns["age"] = np.where(people["birth_date"].is_not_null().to_numpy(), age, np.nan)
        columns["usable_channels"] = people["channels"].list.len().fill_null(0).cast(pl.Float64).to_numpy()
        return columns | _attributes(people, "")


def _attributes(frame: pl.DataFrame, prefix: str) -> Columns:
    """Custom `x_…` columns: numbers as arrays with nan, words as series."""
    columns: Columns = {}
    for name in frame.columns:
        if name.startswith("x_"):
            series = frame[name]
            columns[prefix + name] = (
                series if series.dtype == pl.String else series.fill_null(np.nan).to_numpy()
            )
    return columns


def _days(dates: pl.Series, missing: int) -> Ints:
    return dates.to_physical().cast(pl.Int64).fill_null(missing).to_numpy()


def _shrunk(settled_answered: Floats) -> Floats:
    """Own response rate, drawn towards a fixed prior: a fixed one, so that no later fact can move an
    earlier row's value."""
    settled, answered = settled_answered[:, 0], settled_answered[:, 1]
    return np.asarray((answered + _PRIOR_RATE * _PRIOR_CONTACTS) / (settled + _PRIOR_CONTACTS))


def _row_of_largest(row: Ints, value: Floats, count: int) -> Ints:
    """For each of `count` rows the index of its largest value, −1 for a row without any; ties go to the
    first."""
    order = np.lexsort((-np.arange(len(row)), value, row))
    largest = np.full(count, -1, dtype=np.int64)
    largest[row[order]] = order
    return largest
