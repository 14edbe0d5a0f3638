from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Payment
from domain.promises import Promise, Settlement, deadline, promise_status, settle
from domain.vocabulary import PromiseStatus

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
EVER = START + 1000 * DAY


def _promise(reference: str, amount: int, made: int, breaks: int) -> Promise:
    return Promise(reference, Decimal(amount), START + made * DAY, START + breaks * DAY)


def _paid(reference: str, amount: int, day: int, reversed_on: int | None = None) -> Payment:
    reversed_at = None if reversed_on is None else START + reversed_on * DAY
    return Payment(reference, Decimal(amount), START + day * DAY, reversed_at)


def _kept(amount: int, day: int) -> Settlement:
    return Settlement(Decimal(amount), START + day * DAY)


def _open(amount: int) -> Settlement:
    return Settlement(Decimal(amount), None)


def test_the_longest_amounts_fill_to_the_last_digit() -> None:
    least, most = Decimal("1E-30"), Decimal("999999999999999." + "9" * 30)
    promise = Promise("Q1", most, START, EVER)
    short = [Payment("P1", most - least, START, None)]
    assert settle([promise], short, as_of=EVER) == [Settlement(most - least, None)]
    last = Payment("P2", least, START + DAY, None)
    assert settle([promise], [*short, last], as_of=EVER) == [Settlement(most, START + DAY)]
    assert sum([most] * 1000) == int("9" * 45) * 1000 * Decimal("1E-30")


def test_the_deadline_is_the_start_of_the_local_day_after_the_grace() -> None:
    assert deadline(date(2026, 3, 26), "Europe/Madrid", 2) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert deadline(date(2026, 3, 27), "Europe/Madrid", 2) == datetime(
        2026, 3, 29, 22, tzinfo=UTC
    )  # clocks went on
    assert deadline(date(2026, 3, 5), "America/Havana", 2) == datetime(
        2026, 3, 8, 5, tzinfo=UTC
    )  # no midnight
    assert deadline(date(2026, 3, 5), "UTC", 0) == datetime(2026, 3, 6, tzinfo=UTC)


def test_the_oldest_open_promise_fills_first_and_the_rest_flows_on() -> None:
    promises = [_promise("B", 50, 2, 30), _promise("A", 50, 1, 30)]
    assert settle(promises, [_paid("P", 70, 5)], as_of=EVER) == [_open(20), _kept(50, 5)]
    assert settle(promises, [_paid("P", 70, 5), _paid("Q", 30, 6)], as_of=EVER) == [
        _kept(50, 6),
        _kept(50, 5),
    ]


def test_promises_made_at_the_same_instant_go_by_reference() -> None:
    promises = [_promise("B", 50, 1, 30), _promise("A", 50, 1, 30)]
    assert settle(promises, [_paid("P", 50, 5)], as_of=EVER) == [_open(0), _kept(50, 5)]


def test_payments_of_the_same_instant_go_by_reference() -> None:
    promises = [_promise("A", 50, 1, 30)]
    payments = [_paid("Q", 50, 5), _paid("P", 20, 5, reversed_on=9)]
    assert settle(promises, payments, as_of=START + 8 * DAY) == [_kept(50, 5)]


def test_a_promise_is_open_from_its_instant_until_before_its_deadline() -> None:
    promise = [_promise("A", 10, 5, 10)]
    assert settle(promise, [_paid("P", 10, 4)], as_of=EVER) == [_open(0)]
    assert settle(promise, [_paid("P", 10, 5)], as_of=EVER) == [_kept(10, 5)]
    assert settle(promise, [_paid("P", 10, 10)], as_of=EVER) == [_open(0)]


def test_what_a_broken_promise_took_stays_taken() -> None:
    promises = [_promise("A", 50, 1, 10), _promise("B", 50, 1, 60)]
    payments = [_paid("P", 30, 5), _paid("Q", 50, 20)]
    assert settle(promises, payments, as_of=EVER) == [_open(30), _kept(50, 20)]


def test_a_reversal_reopens_and_what_followed_fills_instead() -> None:
    promises = [_promise("A", 50, 1, 60), _promise("B", 50, 2, 60)]
    payments = [_paid("P", 50, 5, reversed_on=30), _paid("Q", 50, 6)]
    assert settle(promises, payments, as_of=START + 29 * DAY) == [_kept(50, 5), _kept(50, 6)]
    assert settle(promises, payments, as_of=START + 30 * DAY) == [_kept(50, 6), _open(0)]


def test_a_payment_of_the_future_does_not_exist_yet() -> None:
    promises = [_promise("A", 50, 1, 60)]
    assert settle(promises, [_paid("P", 50, 5)], as_of=START + 4 * DAY) == [_open(0)]


def test_status_changes_at_the_deadline_and_when_kept() -> None:
    promise = _promise("A", 10, 1, 10)
    assert promise_status(promise, _open(9), START + 9 * DAY) is PromiseStatus.PENDING
    assert promise_status(promise, _open(9), START + 10 * DAY) is PromiseStatus.BROKEN
    assert promise_status(promise, _kept(10, 5), START + 20 * DAY) is PromiseStatus.KEPT
    assert promise_status(promise, _kept(10, 5), START + 4 * DAY) is PromiseStatus.PENDING


days = st.integers(0, 20)
amounts = st.integers(1, 60)
promise_lists = st.lists(
    st.builds(
        lambda r, a, made, days: _promise(r, a, made, made + days), st.uuids().map(str), amounts, days, days
    ),
    max_size=5,
)
payment_lists = st.lists(
    st.builds(_paid, st.uuids().map(str), amounts, days, st.none() | st.integers(0, 30)), max_size=6
)


@given(promise_lists, payment_lists, st.randoms())
def test_the_order_of_the_facts_does_not_matter(
    promises: list[Promise], payments: list[Payment], rng
) -> None:
    settled = dict(zip(promises, settle(promises, payments, as_of=EVER), strict=True))
    shuffled = rng.sample(promises, len(promises))
    again = settle(shuffled, rng.sample(payments, len(payments)), as_of=EVER)
    assert dict(zip(shuffled, again, strict=True)) == settled


@given(promise_lists, payment_lists, st.integers(0, 40))
def test_no_more_is_filled_than_paid_or_promised(
    promises: list[Promise], payments: list[Payment], day: int
) -> None:
    as_of = START + day * DAY
    settled = settle(promises, payments, as_of=as_of)
    paid = sum((p.amount for p in payments if p.counts_at(as_of)), Decimal(0))
    assert sum((s.filled for s in settled), Decimal(0)) <= paid
    for promise, outcome in zip(promises, settled, strict=True):
        assert 0 <= outcome.filled <= promise.amount
        assert (outcome.kept_at is not None) == (outcome.filled == promise.amount)
        if outcome.kept_at is not None:
            assert promise.promised_at <= outcome.kept_at < promise.deadline
            assert outcome.kept_at <= as_of


@given(promise_lists, payment_lists, days)
def test_without_reversals_a_later_look_keeps_what_was_kept(
    promises: list[Promise], payments: list[Payment], day: int
) -> None:
    standing = [Payment(p.reference, p.amount, p.paid_at) for p in payments]
    then = settle(promises, standing, as_of=START + day * DAY)
    now = settle(promises, standing, as_of=EVER)
    for before, after in zip(then, now, strict=True):
        assert before.filled <= after.filled
        assert before.kept_at in (None, after.kept_at)
