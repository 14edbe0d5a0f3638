"""Which contacts count towards how often: made ones, and decided ones until it is plain that nothing came of them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.contact_rules import blocks
from domain.storage.decisions import NewDecision, log_decisions
from domain.storage.past_contacts import past_contacts
from domain.storage.reachability import reachability
from domain.storage.sessions import Database
from domain.vocabulary import Arm, Channel
from tests.decided import decided
from tests.facts import merge_facts, row

SENT = datetime(2026, 2, 10, 10, tzinfo=UTC)


async def seen(
    database: Database, tenant_id: int, *, known: datetime, whenever_decided: bool = False
) -> list[tuple[str, datetime, bool]]:
    async with database.transaction(tenant_id) as connection:
        debtor_id = await connection.scalar(text("SELECT id FROM debtor"))
        found = await past_contacts(
            connection,
            tenant_id,
            [debtor_id],
            look_back=timedelta(days=7),
            known=known,
            whenever_decided=whenever_decided,
        )
    return [(past.channel, past.at, past.planned) for past in found[debtor_id]]


def _decision(debtor_id: int, decided_at: datetime, sent: datetime | None) -> NewDecision:
    """To send an SMS then; None: held out."""
    if sent is None:
        return decided(debtor_id, decided_at, None, arm=Arm.HELD_OUT)
    return decided(debtor_id, decided_at, {"channel": "SMS", "send_at": sent.isoformat()})


async def test_a_decision_counts_until_it_is_recorded_or_a_day_has_passed(
    database: Database, tenant_id: int
) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})
    async with database.transaction(tenant_id) as connection:
        debtor_id = await connection.scalar(text("SELECT id FROM debtor"))
        logged = [_decision(debtor_id, SENT - timedelta(days=1), sent) for sent in (SENT, None)]
        number, _ = await log_decisions(connection, tenant_id, logged)
    planned = [(Channel.SMS, SENT, True)]
    assert await seen(database, tenant_id, known=SENT - timedelta(days=2)) == []
    assert await seen(database, tenant_id, known=SENT - timedelta(days=2), whenever_decided=True) == planned
    for hours in (-1, 0, 23):
        assert await seen(database, tenant_id, known=SENT + timedelta(hours=hours)) == planned
    assert await seen(database, tenant_id, known=SENT + timedelta(hours=24)) == []
    carried_out = row(
        "communications", channel="SMS", sent_at=(SENT + timedelta(minutes=5)).isoformat(), decision_id=number
    )
    await merge_facts(database, tenant_id, {"communications": [carried_out]}, items=True)
    made = [(Channel.SMS, SENT + timedelta(minutes=5), False)]
    assert await seen(database, tenant_id, known=SENT + timedelta(hours=1)) == made


async def test_calls_are_conversations_when_the_right_person_spoke(
    database: Database, tenant_id: int
) -> None:
    calls = [
        row("communications", reference=name, channel="VOICE", direction=direction, sent_at=SENT.isoformat())
        for name, direction in (("OUT", "OUTBOUND"), ("IN", "INBOUND"))
    ]
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "communications": calls})
    async with database.transaction(tenant_id) as connection:
        debtor_id = await connection.scalar(text("SELECT id FROM debtor"))
        found = await past_contacts(
            connection, tenant_id, [debtor_id], look_back=timedelta(days=7), known=SENT + timedelta(hours=1)
        )
    kinds = sorted((past.counted, past.conversation) for past in found[debtor_id])
    assert kinds == [(False, True), (True, False)]


@pytest.mark.parametrize("call", ["C1", None])
async def test_a_conversation_is_when_they_spoke_though_the_call_began_before(
    database: Database, tenant_id: int, call: str | None
) -> None:
    spoken = SENT + timedelta(minutes=25)
    event = row(
        "events",
        communication=call,
        kind="RIGHT_PARTY_CONTACTED",
        source="VOICE",
        occurred_at=spoken.isoformat(),
    )
    facts = {
        "debtors": [row("debtors", country="US", time_zone="Europe/Madrid", phone="+12125550101")],
        "accounts": [row("accounts")],
        "communications": [row("communications", channel="VOICE", sent_at=SENT.isoformat())],
        "events": [event],
    }
    await merge_facts(database, tenant_id, facts, items=True)
    end = spoken + timedelta(days=7)
    async with database.transaction(tenant_id) as connection:
        debtor_id = await connection.scalar(text("SELECT id FROM debtor"))
        people = await reachability(connection, tenant_id, [debtor_id], known=spoken + timedelta(days=1))
    found = blocks(end - timedelta(minutes=1), Channel.VOICE, people[debtor_id])
    assert [(block.rule.split("@")[0], block.until) for block in found] == [
        ("US_QUIET_AFTER_CONVERSATION", end)
    ]
    assert blocks(end, Channel.VOICE, people[debtor_id]) == []


async def test_a_contact_planned_a_year_ahead_counts_until_then(database: Database, tenant_id: int) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})
    async with database.transaction(tenant_id) as connection:
        debtor_id = await connection.scalar(text("SELECT id FROM debtor"))
        await log_decisions(connection, tenant_id, [_decision(debtor_id, SENT - timedelta(days=400), SENT)])
    assert await seen(database, tenant_id, known=SENT) == [(Channel.SMS, SENT, True)]
