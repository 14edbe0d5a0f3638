"""The law of the rollups: whatever is asked after whatever changed, they answer what the facts answer."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.filters import IntFilter, StringFilter
from domain.kpis import requests
from domain.kpis.requests import (
    ALL_FIGURES,
    KpiRequestError,
    MessageDimension,
    MessageFigures,
    MessageKpiWhere,
    Period,
)
from domain.list_where import ChannelFilter
from domain.storage.derived import define_segments
from domain.storage.kpis.messages import message_kpis
from domain.storage.rollups import answering, rolled, stored
from domain.storage.rollups.answering import current_message_kpis
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from tests.domain.storage.ingest.test_order import as_data_set, random_facts, split_parents_first
from tests.domain.storage.rollups.rollups import WINTER, assert_alike, kept_and_counted_anew, refresh
from tests.facts import NOW, merge_facts, row


async def compare(database: Database, tenant_id: int, **request) -> None:
    found = await current_message_kpis(database, tenant_id, **request)
    async with database.snapshot(tenant_id) as connection:
        assert_alike(found, await message_kpis(connection, tenant_id, **request))


def random_request(rng: random.Random) -> dict:
    """A question that a rollup may serve, or not; at instants of the past now and then."""
    start = datetime(2026, 1, 31, rng.choice([0, 0, 9]), tzinfo=UTC) + timedelta(days=rng.randrange(12))
    length = rng.choice([rng.randrange(1, 20), rng.randrange(1, 20), 70])
    end = start + timedelta(days=length, hours=rng.choice([0, 0, 15]))
    where = MessageKpiWhere(
        segment=rng.choice([None, None, StringFilter(starts_with="EARLY")]),
        channel=rng.choice([None, None, ChannelFilter(in_=(Channel.EMAIL, Channel.SMS))]),
        country=rng.choice([None, None, StringFilter(eq="ES")]),
        days_past_due=rng.choice([None, None, None, IntFilter(gte=20)]),
    )
    return {
        "period": Period(start, end),
        "by": rng.sample(list(MessageDimension), rng.randrange(4)),
        "where": where,
        "figures": rng.choice([ALL_FIGURES, MessageFigures(medians=False)]),
        "as_of": rng.choice(
            [NOW, NOW, datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 20, 4, tzinfo=UTC)]
        ),
    }


def retold(rng: random.Random, facts: list) -> list:
    """Some facts told anew: other amounts, reversals, days of sending, countries, engaged people."""
    changed = []
    for table, fact in rng.sample(facts, 12):
        told = dict(fact)
        if table == "payments":
            another = {"reference": f"again-{fact['reference']}", "paid_at": "2026-02-12T10:00:00Z"}
            told |= rng.choice([{"reversed_at": "2026-03-02T00:00:00Z"}, {"amount": "7.77"}, another])
        elif table == "communications":
            told |= rng.choice(
                [
                    {"sent_at": "2026-02-03T23:59:00Z"},
                    {"template": "T1"},
                    {"direction": "INBOUND"},
                    {"cost": "0.2"},
                ]
            )
        elif table == "debtors":
            told |= rng.choice([{"country": "US"}, {"time_zone": "Asia/Tokyo"}, {"segment": "OWN"}])
        elif table == "accounts":
            told |= rng.choice([{"product": "LEASE"}, {"due_on": "2026-02-05"}, {"principal": "31"}])
        elif table == "events":
            told |= {"reference": f"again-{fact['reference']}", "occurred_at": "2026-02-11T00:00:00Z"}
        changed.append((table, told))
    return changed


RULES = [{"key": "OWES", "name": "Owes", "where": {"daysPastDue": {"gte": 30}}}]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_rollups_answer_what_the_facts_answer(database, new_tenant, seed) -> None:
    rng = random.Random(seed)
    tenant_id = new_tenant()
    facts = random_facts(rng, debtors=5, children=25)
    for part in [*split_parents_first(facts, rng, 2), retold(rng, facts), retold(rng, facts)]:
        await merge_facts(database, tenant_id, as_data_set(part))
        if rng.random() < 0.2:
            async with database.transaction(tenant_id) as connection:
                await define_segments(connection, tenant_id, RULES, now=NOW)
        await refresh(database, tenant_id, most=rng.choice([3, 10_000]))
        for _ in range(4):
            await compare(database, tenant_id, **random_request(rng))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_every_day_that_a_change_concerns_is_counted_again(database, new_tenant, seed) -> None:
    """After any change, what is kept is what counting everything anew gives."""
    rng = random.Random(seed)
    tenant_id = new_tenant()
    facts = random_facts(rng, debtors=5, children=25)
    await merge_facts(database, tenant_id, as_data_set(facts))
    await refresh(database, tenant_id)
    for _ in range(3):
        await merge_facts(database, tenant_id, as_data_set(retold(rng, facts)))
        await refresh(database, tenant_id)
        kept, anew = await kept_and_counted_anew(database, tenant_id)
        assert kept == anew


def settled_facts() -> dict[str, list[dict[str, str]]]:
    """Twenty messages, one a day, each opened later than the one before; every other one is paid for."""
    sent = datetime(2026, 2, 1, 10, tzinfo=UTC)
    facts: dict[str, list[dict[str, str]]] = {"debtors": [row("debtors")], "accounts": [row("accounts")]}
    facts |= {"communications": [], "events": [], "payments": []}
    for at in range(20):
        day = sent + timedelta(days=at)
        message = {"communication": f"C{at}"}
        facts["communications"].append(
            row("communications", reference=f"C{at}", sent_at=day.isoformat(), cost="0.1", currency="EUR")
        )
        opened = (day + timedelta(minutes=7 * at + 1)).isoformat()
        facts["events"].append(
            row("events", reference=f"E{at}", kind="OPENED", occurred_at=opened, **message)
        )
        if at % 2:
            paid = (day + timedelta(hours=at)).isoformat()
            facts["payments"].append(row("payments", reference=f"P{at}", amount="1", paid_at=paid, **message))
    return facts


@pytest.mark.parametrize(
    "by", [[], [MessageDimension.CHANNEL, MessageDimension.WEEK], [MessageDimension.DAY]]
)
async def test_a_settled_period_takes_no_look_at_the_facts(database, tenant_id, monkeypatch, by) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    request = {"period": WINTER, "by": by, "as_of": NOW}
    async with database.snapshot(tenant_id) as connection:
        expected = await message_kpis(connection, tenant_id, **request)
    monkeypatch.delattr(answering, "message_kpis")
    found = await current_message_kpis(database, tenant_id, **request)
    assert_alike(found, expected)
    assert any(one.reaction.sent_to_open.median_censored for one in found)


@pytest.mark.parametrize(
    "by", [[MessageDimension.CHANNEL], [MessageDimension.SEGMENT, MessageDimension.HOUR]]
)
async def test_what_is_too_fine_to_be_put_together_here_is_left_to_the_database(
    database, tenant_id, monkeypatch, by
) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    monkeypatch.setattr(rolled, "MOST_GROUPS", 3)
    monkeypatch.setattr(stored, "MOST_GROUPS", 3)
    monkeypatch.setattr(answering, "merge", None)
    await compare(database, tenant_id, period=WINTER, by=by, as_of=NOW)


async def test_too_many_groups_are_counted_and_refused(database, tenant_id, monkeypatch) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    monkeypatch.setattr(requests, "GROUP_LIMIT", 5)
    with pytest.raises(
        KpiRequestError, match=r"This would be 20 groups; one answer has at most 5\."
    ) as refused:
        await current_message_kpis(database, tenant_id, period=WINTER, by=[MessageDimension.DAY], as_of=NOW)
    assert refused.value.code == "TOO_MANY_GROUPS"
