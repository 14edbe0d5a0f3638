from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Account, Payment, aging_bucket, days_past_due, open_balances
from domain.vocabulary import AgingBucket

DUE = date(2026, 3, 10)
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)


def _account(*payments: Payment, closed_on: date | None = None) -> Account:
    return Account(Decimal("100.00"), "EUR", date(2026, 1, 1), DUE, closed_on, payments)


def _paid(amount: str, at: datetime, reversed_at: datetime | None = None) -> Payment:
    return Payment(f"P{amount}{at}", Decimal(amount), at, reversed_at)


def test_balance_counts_payments_from_their_very_instant_until_their_reversal() -> None:
    account = _account(_paid("40.00", NOON, NOON + timedelta(days=1)))
    assert account.balance(NOON - timedelta(microseconds=1)) == Decimal("100.00")
    assert account.balance(NOON) == Decimal("60.00")
    assert account.balance(NOON + timedelta(days=1)) == Decimal("100.00")


def test_an_excess_does_not_make_a_negative_balance() -> None:
    assert _account(_paid("150", NOON)).balance(NOON) == 0


def test_a_payment_reversed_before_it_was_paid_never_counts() -> None:
    account = _account(_paid("40", NOON, NOON - timedelta(days=1)))
    assert account.balance(NOON + timedelta(days=9)) == Decimal(100)


def test_days_past_due_are_local_and_need_a_balance() -> None:
    late_evening = datetime(2026, 3, 12, 23, 30, tzinfo=UTC)
    assert _account().days_past_due(late_evening, "UTC") == 2
    assert _account().days_past_due(late_evening, "Europe/Madrid") == 3
    assert _account().days_past_due(datetime(2026, 3, 1, tzinfo=UTC), "UTC") == 0
    assert _account(_paid("100", late_evening)).days_past_due(late_evening, "UTC") == 0


def test_a_debtor_is_as_late_as_its_latest_open_account() -> None:
    accounts = [_account(), Account(Decimal(5), "DKK", date(2026, 1, 1), date(2026, 3, 14))]
    assert days_past_due(accounts, NOON, "UTC") == 5
    accounts[0] = _account(closed_on=date(2026, 3, 15))
    assert days_past_due(accounts, NOON, "UTC") == 1
    assert days_past_due([], NOON, "UTC") == 0


def test_balances_are_per_currency_and_of_open_accounts_only() -> None:
    accounts = [
        _account(),
        _account(_paid("30", NOON)),
        _account(closed_on=date(2026, 3, 15)),
        Account(Decimal(5), "DKK", date(2026, 3, 16), date(2026, 5, 1)),
    ]
    assert open_balances(accounts, NOON, "UTC") == {"EUR": Decimal("170.00")}
    assert open_balances(accounts, NOON, "Pacific/Kiritimati") == {
        "EUR": Decimal("170.00"),
        "DKK": Decimal(5),
    }


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (0, "CURRENT"),
        (1, "DPD_1_30"),
        (30, "DPD_1_30"),
        (31, "DPD_31_60"),
        (60, "DPD_31_60"),
        (61, "DPD_61_90"),
        (90, "DPD_61_90"),
        (91, "DPD_91_180"),
        (180, "DPD_91_180"),
        (181, "DPD_181_PLUS"),
        (9999, "DPD_181_PLUS"),
    ],
)
def test_aging_buckets(days: int, bucket: str) -> None:
    assert aging_bucket(days) is AgingBucket(bucket)


instants = st.integers(0, 90 * 24).map(lambda hour: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour))
payments = st.lists(
    st.builds(
        Payment,
        reference=st.uuids().map(str),
        amount=st.decimals("0.01", "80", places=2),
        paid_at=instants,
        reversed_at=st.none() | instants,
    ),
    max_size=6,
)


@given(payments, st.randoms())
def test_the_order_of_payments_does_not_matter(found: list[Payment], rng) -> None:
    shuffled = rng.sample(found, len(found))
    assert _account(*found).balance(NOON) == _account(*shuffled).balance(NOON)
    assert 0 <= _account(*found).balance(NOON) <= Decimal(100)
