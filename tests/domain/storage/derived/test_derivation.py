"""Every derived column against plain Python over the same facts: `tests.domain.oracle`, the pure rules of `domain`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import Account, Payment
from domain.segments import SegmentRule, read_segment_rules
from domain.storage.derived import define_segments, derive, plans
from domain.storage.sessions import Database
from domain.vocabulary import Channel, Direction
from tests.domain import oracle
from tests.domain.portfolios import NOW, Communication, DebtorWorld, random_portfolio, write

ALL = frozenset(["debtors", "accounts", "payments", "promises", "communications", "events", "contact_points"])

#: One rule per kind of filter, so that each decides for somebody.
RULES = [
    {"key": "KEPT", "name": "kept", "where": {"promiseStatus": ["KEPT"], "daysPastDue": {"lt": 10}}},
    {"key": "BROKEN", "name": "broken", "where": {"promiseStatus": ["BROKEN"], "country": {"eq": "ES"}}},
    {"key": "PENDING", "name": "pending", "where": {"promiseStatus": ["PENDING"]}},
    {"key": "FAR", "name": "no way to reach", "where": {"not": {"reachableBy": ["EMAIL", "SMS", "LETTER"]}}},
    {
        "key": "UMLAUT",
        "name": "product",
        "where": {"product": {"startsWith": "Ü"}, "daysPastDue": {"gte": 1}},
    },
    {"key": "BIG", "name": "big", "where": {"balance": {"currency": "EUR", "gte": "80.25"}}},
    {
        "key": "MIXED",
        "name": "either",
        "where": {
            "or": [
                {"balance": {"currency": "DKK", "lt": "40"}, "product": {"in": ["CARD", "LOAN"]}},
                {"attributes": [{"key": "x_score", "gte": 7.5}]},
                {"and": [{"region": {"isNull": True}}, {"name": {"startsWith": "ÁDA"}}]},
            ]
        },
    },
    {"key": "NEW", "name": "not yet contacted", "where": {"lastContactedAt": {"isNull": True}}},
    {"key": "RECENT", "name": "contacted", "where": {"lastContactedAt": {"gte": "2026-02-01T00:00:00Z"}}},
]


#: One filter a rule, so that nothing else hides what it decides.
PLAIN_RULES = [
    {"key": "PENDING", "name": "pending", "where": {"promiseStatus": ["PENDING"]}},
    {"key": "LATE", "name": "late", "where": {"daysPastDue": {"gte": 1}}},
    {"key": "CARD", "name": "card", "where": {"product": {"eq": "CARD"}}},
]


async def _all(connection: AsyncConnection, sql: str) -> list[Mapping[str, Any]]:
    return list((await connection.execute(text(sql))).mappings())


def _segment(debtor: DebtorWorld, rules: Sequence[SegmentRule], at: datetime, known: datetime) -> str:
    if debtor.segment:
        return debtor.segment
    state = oracle.state(debtor, at, known)
    return next((rule.key for rule in rules if oracle.matches(rule.where, state)), "NONE")


async def _check(
    connection: AsyncConnection, world: Sequence[DebtorWorld], rules: Sequence[SegmentRule], now: datetime
) -> None:
    await _check_debtors(connection, world, rules, now)
    await _check_communications(connection, world, rules, now)
    causes = {name: cause for debtor in world for name, cause in oracle.attributed(debtor).items()}
    payments = await _all(
        connection,
        "SELECT p.reference, c.reference AS cause FROM payment p LEFT JOIN communication c ON c.id = p.attributed_to",
    )
    assert {row["reference"]: row["cause"] for row in payments} == causes
    promises = await _all(connection, "SELECT reference, deadline, kept_at, filled FROM promise")
    assert {row["reference"]: tuple(row.values())[1:] for row in promises} == {
        reference: (promise.deadline, outcome.kept_at, outcome.filled)
        for debtor in world
        for reference, promise, outcome in oracle.settled(debtor, now)
    }


async def _check_debtors(
    connection: AsyncConnection, world: Sequence[DebtorWorld], rules: Sequence[SegmentRule], now: datetime
) -> None:
    accounts = await _all(connection, "SELECT reference, balance FROM account")
    assert {row["reference"]: row["balance"] for row in accounts} == {
        name: account.balance(now) for debtor in world for name, account in debtor.accounts.items()
    }
    balances = await _all(
        connection,
        "SELECT d.reference, b.currency, b.balance, b.balance_e4"
        " FROM debtor_balance b JOIN debtor d ON d.id = b.debtor_id",
    )
    assert {tuple(row.values()) for row in balances} == {
        (debtor.reference, currency, balance, int(balance * 10_000))
        for debtor in world
        for currency, balance in oracle.state(debtor, now, now).balances.items()
    }
    debtors = await _all(
        connection, "SELECT reference, oldest_due_on, last_contacted_at, segment_key FROM debtor"
    )
    assert {row["reference"]: tuple(row.values())[1:] for row in debtors} == {
        debtor.reference: (
            oracle.oldest_due_on(debtor, now),
            oracle.state(debtor, now, now).last_contacted_at,
            _segment(debtor, rules, now, now),
        )
        for debtor in world
    }


async def _check_communications(
    connection: AsyncConnection, world: Sequence[DebtorWorld], rules: Sequence[SegmentRule], now: datetime
) -> None:
    rows = await _all(
        connection,
        "SELECT reference, segment_key, days_past_due, product, kpi_currency, converted_at FROM communication",
    )
    expected = {}
    for debtor in world:
        paid = {payment.reference: payment for _, payment in debtor.payments if payment.counts_at(now)}
        causes = oracle.attributed(debtor)
        for sent in debtor.communications:
            only = next(iter(debtor.accounts)) if len(debtor.accounts) == 1 else None
            name = sent.account or only
            before = sent.sent_at - timedelta(microseconds=1)
            expected[sent.reference] = (
                _segment(debtor, rules, sent.sent_at, before),
                oracle.state(debtor, sent.sent_at, sent.sent_at).days_past_due,
                debtor.products[name] if name else None,
                debtor.accounts[name].currency if name else None,
                min(
                    (p.paid_at for p in paid.values() if causes[p.reference] == sent.reference), default=None
                ),
            )
    assert {row["reference"]: tuple(row.values())[1:] for row in rows} == expected


async def _rules(connection: AsyncConnection) -> tuple[SegmentRule, ...]:
    stored = await connection.scalar(
        text(
            "SELECT jsonb_agg(jsonb_build_object('key', key, 'name', name, 'where', rule) ORDER BY position)"
            " FROM segment"
        )
    )
    return read_segment_rules(stored or [])


#: Limits of "a handful" and "few": the three ways in which the same statements run.
WAYS = {"a handful": (10**9, 10**9), "few": (0, 10**9), "many": (0, 0)}


@pytest.fixture(params=WAYS, name="way")
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    handful, few = WAYS[request.param]
    monkeypatch.setattr(plans, "_A_HANDFUL", handful)
    monkeypatch.setattr(plans, "_FEW_DEBTORS", few)
    return str(request.param)


@pytest.mark.parametrize("seed", [1, 2])
async def test_derived_columns_are_those_of_the_rules(
    database: Database, tenant_id: int, seed: int, way: str
) -> None:
    world = random_portfolio(seed, 60)
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        rules = await _rules(connection)
        assert len(rules) == 4 * 3 * 3
        await _check(connection, world, rules, NOW)


@pytest.mark.parametrize(("seed", "given"), [(5, RULES), (6, RULES), (7, PLAIN_RULES)])
async def test_own_rules_of_every_kind_segment_by_the_facts_of_the_time(
    database: Database, tenant_id: int, seed: int, given: list[dict[str, Any]], way: str
) -> None:
    world = random_portfolio(seed, 120)
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        await define_segments(connection, tenant_id, given, now=NOW)
        rules = read_segment_rules(given)
        await _check(connection, world, rules, NOW)
        used = await connection.scalars(text("SELECT DISTINCT segment_key FROM communication"))
        assert set(used) >= {rule.key for rule in rules}


async def test_a_fact_of_the_very_instant_counts_for_days_past_due_and_not_for_the_segment(
    database: Database, tenant_id: int, way: str
) -> None:
    """Segments go by the facts before `sent_at`, days past due by those at it (kpis.md)."""
    paid, reversed_at = NOW - timedelta(days=9), NOW - timedelta(days=3)
    payment = Payment("P", Decimal(50), paid, reversed_at)
    debtor = random_portfolio(1, 1)[0]
    debtor = replace(
        debtor, time_zone="UTC", segment=None, promises=[], events=[], causes={}, products={"A": "CARD"}
    )
    debtor.accounts = {"A": Account(Decimal(50), "EUR", date(2026, 1, 1), date(2026, 3, 2), None, (payment,))}
    debtor.communications = [
        Communication(
            f"{name} {moment}", None, Channel.SMS, Direction.OUTBOUND, at + timedelta(microseconds=offset)
        )
        for name, at in (("paid", paid), ("reversed", reversed_at))
        for offset, moment in ((-1, "before"), (0, "at"), (1, "after"))
    ]
    late = {"key": "LATE", "name": "Late", "where": {"daysPastDue": {"gte": 1}}}
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, [debtor])
        await define_segments(connection, tenant_id, [late], now=NOW)
        rows = await _all(connection, "SELECT reference, segment_key, days_past_due FROM communication")
    assert {row["reference"]: (row["segment_key"], row["days_past_due"]) for row in rows} == {
        "paid before": ("LATE", 20),
        "paid at": ("LATE", 0),
        "paid after": ("NONE", 0),
        "reversed before": ("NONE", 0),
        "reversed at": ("NONE", 27),
        "reversed after": ("LATE", 27),
    }
