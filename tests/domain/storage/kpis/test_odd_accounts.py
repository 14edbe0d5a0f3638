"""Small portfolios, each about one oddity of accounts, promises or agents: the test's name tells what happens."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from domain.kpis.portfolio import Aging
from domain.kpis.requests import AgentDimension, Period
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.vocabulary import AgingBucket
from tests.domain.storage.kpis.agreement import compare_portfolio
from tests.domain.storage.kpis.imported import NOW
from tests.domain.storage.kpis.odd import ACCOUNT, AGENT, MAIL, MARCH, PAYMENT, PROMISE, at


async def test_an_excess_is_collected_but_owed_by_nobody(ask: Callable) -> None:
    asked = await ask(payments=[{**PAYMENT, "amount": "130.00"}])
    row = await asked.portfolio()
    assert (row.collected, row.receivables, row.cure_rate) == (Decimal(130), 0, 1.0)
    assert row.recovery_rate == 1.3


async def test_a_payment_while_nothing_was_owed_recovers_nothing(ask: Callable) -> None:
    """The first payment covered it all until its reversal, so the second came on top."""
    first = {
        **PAYMENT,
        "amount": "100.00",
        "paid_at": "2026-03-05T10:00:00Z",
        "reversed_at": "2026-03-20T00:00:00Z",
    }
    row = await (await ask(payments=[first, {**PAYMENT, "reference": "P2"}])).portfolio()
    assert (row.collected, row.recovery_rate, row.receivables) == (Decimal(40), 0.0, Decimal(60))


async def test_an_account_overdue_from_the_instant_of_the_end_became_so_in_the_next_period(
    ask: Callable,
) -> None:
    """The period ends as 31 March begins in Madrid, the day after `due_on`."""
    asked = await ask(accounts=[{**ACCOUNT, "due_on": "2026-03-30"}])
    until = Period(at("2026-03-01T00:00Z"), at("2026-03-31T00:00+02:00"))
    following = Period(at("2026-03-31T00:00+02:00"), at("2026-04-02T00:00+02:00"))
    row = await asked.portfolio(period=until)
    assert (row.overdue, row.became_overdue, row.recovery_rate) == (Decimal(100), 0, None)
    assert (await asked.portfolio(period=following)).overdue_at_start == Decimal(100)


@pytest.mark.parametrize(
    ("account", "paid_at", "became", "recovered"),
    [
        ({"due_on": "2026-03-10"}, "2026-03-10T23:59:59.999999+01:00", 60, 0),
        ({"due_on": "2026-03-10"}, "2026-03-11T00:00:00+01:00", 100, 40),
        ({"due_on": "2026-03-10"}, "2026-03-11T12:00:00+01:00", 100, 40),
        ({"opened_on": "2026-03-20"}, "2026-03-19T23:59:59.999999+01:00", 60, 0),
        ({"opened_on": "2026-03-20"}, "2026-03-20T00:00:00+01:00", 100, 40),
    ],
)
async def test_what_an_overdue_day_begins_with_is_to_be_recovered_from_that_day_on(
    ask: Callable, account: dict[str, str], paid_at: str, became: int, recovered: int
) -> None:
    """It becomes overdue the day after `due_on`, or when it is opened if that is later."""
    asked = await ask(accounts=[{**ACCOUNT, **account}], payments=[{**PAYMENT, "paid_at": paid_at}])
    row = await asked.portfolio()
    assert (row.became_overdue, row.collected_overdue, row.collected) == (became, recovered, 40)
    assert row.recovery_rate == recovered / became


@pytest.mark.parametrize(
    ("account", "paid_at", "reversed_at", "became"),
    [
        (
            {},
            "2026-02-20T10:00:00Z",
            "2026-03-15T10:00:00Z",
            100,
        ),  # past due and paid off when the period began
        (
            {"due_on": "2026-03-10"},
            "2026-03-05T10:00:00Z",
            "2026-03-15T10:00:00Z",
            100,
        ),  # paid off when it fell due
        (
            {"due_on": "2026-03-10"},
            "2026-03-05T10:00:00Z",
            "2026-03-08T10:00:00Z",
            100,
        ),  # back before it fell due
        ({}, "2026-03-05T10:00:00Z", "2026-03-15T10:00:00Z", 0),  # overdue at the start
        (
            {"due_on": "2026-03-01"},
            "2026-03-05T10:00:00Z",
            "2026-03-15T10:00:00Z",
            100,
        ),  # falls due, paid, back: once
        ({}, "2026-02-20T10:00:00Z", "2026-03-01T00:00:00Z", 0),  # back at the instant of the start
        ({}, "2026-02-20T10:00:00Z", "2026-04-01T00:00:00Z", 0),  # back at the instant of the end
        ({"closed_on": "2026-03-15"}, "2026-02-20T10:00:00Z", "2026-03-15T10:00:00Z", 0),  # closed that day
        (
            {"due_on": "2026-03-15"},
            "2026-02-20T10:00:00Z",
            "2026-03-15T10:00:00Z",
            100,
        ),  # on its due day
        ({"due_on": "2026-04-15"}, "2026-02-20T10:00:00Z", "2026-03-15T10:00:00Z", 0),  # not due yet
    ],
)
async def test_an_account_becomes_overdue_again_when_a_payment_is_reversed(
    ask: Callable, account: dict[str, str], paid_at: str, reversed_at: str, became: int
) -> None:
    """And is recovered, by 30, after that: never more than there was to recover."""
    paid_off = {**PAYMENT, "amount": "100.00", "paid_at": paid_at, "reversed_at": reversed_at}
    again = {**PAYMENT, "reference": "P2", "amount": "30.00", "paid_at": "2026-03-20T10:00:00Z"}
    asked = await ask(accounts=[{**ACCOUNT, **account}], payments=[paid_off, again])
    row = await asked.portfolio()
    assert row.became_overdue == became
    assert row.recovery_rate is None or row.recovery_rate <= 1
    async with asked.database.transaction(asked.imported.tenant_id) as connection:
        assert await compare_portfolio(connection, asked.imported, MARCH, as_of=NOW) == 1


async def test_a_reversal_that_is_not_known_yet_makes_nothing_overdue(ask: Callable) -> None:
    paid_off = {
        **PAYMENT,
        "amount": "100.00",
        "paid_at": "2026-02-20T10:00:00Z",
        "reversed_at": "2026-03-15T10:00:00Z",
    }
    asked = await ask(payments=[paid_off])
    for instant, became in (("2026-03-15T09:59:59Z", 0), ("2026-03-15T10:00:00Z", 100)):
        assert (await asked.portfolio(as_of=at(instant))).became_overdue == became


async def test_a_currency_of_the_books_alone_has_its_row(ask: Callable) -> None:
    march = {
        "month": "2026-03",
        "credit_sales": "1000",
        "receivables": "500",
        "revenue": "9",
        "operating_cost": "4",
    }
    books = [{**march, "currency": "USD"}, {**march, "currency": "DKK", "month": "2026-05"}]
    asked = await ask(finance=books)
    async with asked.database.transaction(asked.imported.tenant_id) as connection:
        euros, dollars = await portfolio_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
        assert await compare_portfolio(connection, asked.imported, MARCH, as_of=NOW) == 2
    assert (euros.currency, euros.dso) == ("EUR", None)
    assert (dollars.currency, dollars.dso, dollars.receivables, dollars.profit_per_account) == (
        "USD",
        15.5,
        0,
        None,
    )


async def test_a_payment_on_a_closed_account_counts_while_the_account_does_not(ask: Callable) -> None:
    closed = {**ACCOUNT, "closed_on": "2026-03-05"}
    asked = await ask(accounts=[closed], payments=[PAYMENT])
    row = await asked.portfolio()
    assert (row.collected, row.receivables, row.aging, row.contact_coverage) == (Decimal(40), 0, (), None)
    assert (row.delinquent_at_start, row.cure_rate, row.roll_rates) == (1, 0.0, ())
    assert (await asked.agent()).accounts == 0


@pytest.mark.parametrize(("closed_on", "delinquent"), [("2026-03-01", 0), ("2026-03-02", 1)])
async def test_an_account_is_in_stock_until_the_day_before_it_closes(
    ask: Callable, closed_on: str, delinquent: int
) -> None:
    row = await (await ask(accounts=[{**ACCOUNT, "closed_on": closed_on}])).portfolio()
    assert row.delinquent_at_start == delinquent


async def test_an_account_closed_when_paid_off_is_cured_and_rolls_to_paid(ask: Callable) -> None:
    closed = {**ACCOUNT, "closed_on": "2026-03-12"}
    row = await (await ask(accounts=[closed], payments=[{**PAYMENT, "amount": "100.00"}])).portfolio()
    (roll,) = row.roll_rates
    assert (roll.from_, roll.to, roll.rate, row.cure_rate) == (
        AgingBucket.DPD_1_30,
        AgingBucket.PAID,
        1.0,
        1.0,
    )


async def test_an_account_not_yet_opened_is_nowhere(ask: Callable) -> None:
    april = {**ACCOUNT, "reference": "A2", "opened_on": "2026-04-02", "due_on": "2026-05-01"}
    row = await (await ask(accounts=[ACCOUNT, april])).portfolio()
    assert row.aging == (Aging(AgingBucket.DPD_31_60, 1, Decimal(100)),)


async def test_an_overpaid_promise_hands_on_to_the_next(ask: Callable) -> None:
    second = {**PROMISE, "reference": "R2", "promised_at": "2026-03-03T10:00:00Z", "amount": "15.00"}
    row = await (await ask(promises=[PROMISE, second], payments=[PAYMENT])).agent()
    assert (row.outbound_promises, row.outbound_promises_kept, row.outbound_promises_kept_rate) == (2, 1, 0.5)


async def test_a_reversal_reopens_a_kept_promise(ask: Callable) -> None:
    asked = await ask(promises=[PROMISE], payments=[{**PAYMENT, "reversed_at": "2026-03-15T00:00:00Z"}])

    async def kept_and_broken(instant: str) -> tuple[int, int]:
        row = await asked.agent(as_of=at(instant))
        return row.outbound_promises_kept, row.outbound_promises_broken

    assert await kept_and_broken("2026-03-12T09:59:59Z") == (0, 0)
    assert await kept_and_broken("2026-03-14T23:59:59Z") == (1, 0)
    assert await kept_and_broken("2026-03-15T00:00:00Z") == (0, 0)
    assert await kept_and_broken("2026-03-22T22:59:59Z") == (0, 0)
    assert await kept_and_broken("2026-03-22T23:00:00Z") == (0, 1)  # midnight in Madrid, three days on


async def test_days_past_due_turn_at_local_midnight_of_a_short_night(ask: Callable) -> None:
    """Madrid goes to summer time on 29 March; 30 March begins at 22:00 UTC."""
    asked = await ask(accounts=[{**ACCOUNT, "due_on": "2026-03-29"}])
    until = Period(at("2026-03-01T00:00Z"), at("2026-03-29T21:59:59Z"))
    over = Period(at("2026-03-01T00:00Z"), at("2026-03-29T22:00:00Z"))
    assert (await asked.portfolio(period=until)).overdue == 0
    assert (await asked.portfolio(period=over)).overdue == Decimal(100)


async def test_facts_of_nobody_are_in_all_only(ask: Callable) -> None:
    calls = [
        {**MAIL, "channel": "VOICE", "agent": "G1"},
        {**MAIL, "reference": "C2", "channel": "VOICE"},
    ]
    asked = await ask(agents=[AGENT], communications=calls, payments=[PAYMENT])
    every, one, team = [
        await asked.agent(by) for by in (AgentDimension.ALL, AgentDimension.AGENT, AgentDimension.TEAM)
    ]
    assert (every.outbound_calls, every.collected, every.accounts) == (2, {"EUR": Decimal(40)}, 1)
    assert (one.outbound_calls, one.collected, one.accounts, one.agent) == (1, {}, 0, "G1")
    assert (team.outbound_calls, team.collected, team.accounts, team.team) == (1, {}, 0, "T1")


async def test_a_promise_is_taken_by_the_caller_from_when_the_call_was_made(ask: Callable) -> None:
    """The promise is dated before the call that it names; until then it is of the account's agent, here nobody."""
    call = {**MAIL, "channel": "VOICE", "agent": "G1", "sent_at": "2026-03-10T10:00:00Z"}
    asked = await ask(agents=[AGENT], communications=[call], promises=[{**PROMISE, "communication": "C1"}])
    before, after = [
        await asked.agent(AgentDimension.AGENT, as_of=at(f"2026-03-{instant}"))
        for instant in ("10T09:59:59.999999Z", "10T10:00:00Z")
    ]
    assert (before.outbound_promises, after.outbound_promises) == (0, 1)


async def test_an_agent_who_left_before_the_last_day_is_not_active(ask: Callable) -> None:
    gone = {**AGENT, "reference": "G2", "active_to": "2026-03-30"}
    last_day = {**AGENT, "reference": "G3", "active_to": "2026-03-31"}
    accounts = [{**ACCOUNT, "agent": "G1"}]
    asked = await ask(agents=[AGENT, gone, last_day], accounts=accounts, payments=[PAYMENT])
    row = await asked.agent()
    assert (row.active_agents, row.accounts_per_agent, row.collected_per_agent) == (
        2,
        0.5,
        {"EUR": Decimal(20)},
    )
