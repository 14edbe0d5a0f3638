"""How single payments are told apart: on time or late, in full, partial or beyond what is owed."""

import pytest

from domain.kpis.payment_behaviour import PaymentBehaviourRow
from domain.kpis.requests import Period
from domain.storage.kpis.payment_behaviour import payment_behaviour
from domain.vocabulary import AgingBucket
from tests.facts import NOW, merge_facts, row

PERIOD = Period(NOW.replace(month=1), NOW)

#: The account of `tests.facts` owes 100.00 EUR and is due on 2 January, in Madrid.
ON_TIME, LATE, LATER = "2026-01-02T22:59:59Z", "2026-01-02T23:00:00Z", "2026-02-03T10:00:00Z"


async def behaviour(
    database, tenant_id, *payments: dict, as_of=NOW, **account: str
) -> list[PaymentBehaviourRow]:
    numbered = [row("payments", reference=f"P{at}", **payment) for at, payment in enumerate(payments)]
    await merge_facts(
        database,
        tenant_id,
        {"debtors": [row("debtors")], "accounts": [row("accounts", **account)], "payments": numbered},
    )
    async with database.transaction(tenant_id) as connection:
        return await payment_behaviour(connection, tenant_id, period=PERIOD, as_of=as_of)


@pytest.mark.parametrize(
    ("payments", "expected"),
    [
        ([{"paid_at": ON_TIME, "amount": "100"}], [("CURRENT", 1, 0, 1, 0)]),
        ([{"paid_at": LATE, "amount": "99.99"}], [("DPD_1_30", 0, 1, 0, 1)]),
        ([{"paid_at": LATER, "amount": "100.01"}], [("DPD_31_60", 0, 1, 1, 0)]),
        # the second comes on top: nothing was owed any more, so it is neither late, in full nor partial
        (
            [{"paid_at": LATE, "amount": "100"}, {"paid_at": LATER, "amount": "5"}],
            [("CURRENT", 1, 0, 0, 0), ("DPD_1_30", 0, 1, 1, 0)],
        ),
        # of the same instant the lesser reference comes first
        (
            [{"paid_at": LATE, "amount": "60"}, {"paid_at": LATE, "amount": "40"}],
            [("DPD_1_30", 0, 2, 1, 1)],
        ),
        # what is reversed at the very instant of the next payment is owed again, whichever reference is lesser
        (
            [{"paid_at": ON_TIME, "amount": "100", "reversed_at": LATER}, {"paid_at": LATER, "amount": "30"}],
            [("DPD_31_60", 0, 1, 0, 1)],
        ),
        (
            [{"paid_at": LATER, "amount": "30"}, {"paid_at": ON_TIME, "amount": "100", "reversed_at": LATER}],
            [("DPD_31_60", 0, 1, 0, 1)],
        ),
    ],
)
async def test_a_payment_is_judged_by_what_was_owed_just_before(database, tenant_id, payments, expected):
    *buckets, total = await behaviour(database, tenant_id, *payments)
    told = [(row.bucket, row.on_time, row.late, row.in_full, row.partial) for row in buckets]
    assert told == [(AgingBucket(bucket), *counts) for bucket, *counts in expected]
    assert total.bucket is None
    assert total.payments == sum(row.payments for row in buckets)
    assert total.collected == sum(row.collected for row in buckets)


async def test_an_account_that_is_due_before_it_is_opened_is_past_due_from_then_on(database, tenant_id):
    earlier = {"paid_at": LATE, "amount": "30"}
    opened = {"paid_at": "2026-01-04T23:00:00Z", "amount": "30"}
    rows = await behaviour(database, tenant_id, earlier, opened, opened_on="2026-01-05")
    assert [(row.bucket, row.on_time, row.late) for row in rows] == [
        (AgingBucket.CURRENT, 1, 0),
        (AgingBucket.DPD_1_30, 0, 1),
        (None, 1, 1),
    ]


async def test_no_payment_makes_no_row(database, tenant_id):
    later = NOW.replace(month=7).isoformat()
    assert await behaviour(database, tenant_id, {"paid_at": later}) == []


async def test_a_payment_reversed_later_counted_until_then(database, tenant_id):
    paid = {"paid_at": ON_TIME, "amount": "100", "reversed_at": LATER}
    assert await behaviour(database, tenant_id, paid) == []
    async with database.transaction(tenant_id) as connection:
        then = NOW.replace(month=2)
        _, total = await payment_behaviour(connection, tenant_id, period=PERIOD, as_of=then)
    assert (total.payments, total.on_time_rate, total.in_full_rate) == (1, 1.0, 1.0)
