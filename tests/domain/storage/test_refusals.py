"""However debtors refuse a channel, it is closed to recommendations, filters and the list of their addresses alike."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from domain.contact_rules import blocks
from domain.debtor_where import read_debtor_where
from domain.storage.reachability import reachability
from domain.storage.reads.contacts import contact_points
from domain.storage.sessions import Database
from domain.storage.stored_debtor import debtor_condition
from domain.storage.tables import debtor
from domain.vocabulary import Channel, ContactPointStatus
from tests.facts import NOW, merge_facts, row

NOON = NOW + timedelta(hours=12)
ALL = frozenset(Channel) - {Channel.PUSH}
HOME = row("debtors", email="ana@example.org", phone="+34600000001", postal_address="Calle Mayor 1, Madrid")
INBOUND = row("communications", reference="C2", channel="SMS", direction="INBOUND")
LEFT = row("events", kind="UNSUBSCRIBED", occurred_at="2026-03-01T10:00:00Z")
REFUSING = ("UNSUBSCRIBED", "COMPLAINED")
OTHER = {"debtor": "D1", "channel": "EMAIL", "address": "ana@work.example"}


async def _closed(database: Database, tenant_id: int, facts: dict[str, list[dict[str, Any]]]) -> set[Channel]:
    """The channels refused, as each way to ask for them tells."""
    tables = {"debtors": [HOME], "accounts": [row("accounts")], **facts}
    await merge_facts(database, tenant_id, tables)
    async with database.transaction(tenant_id) as connection:
        number = await connection.scalar(text("SELECT id FROM debtor"))
        people = await reachability(connection, tenant_id, [number], known=NOW)
        by_rules = {
            channel
            for channel in ALL
            if any(block.rule.startswith("OPT_OUT") for block in blocks(NOW, channel, people[number]))
        }
        reached = set()
        for channel in ALL:
            where = debtor_condition(read_debtor_where({"reachableBy": [channel.value]}), now=NOW)
            if await connection.scalar(select(debtor.c.id).where(debtor.c.tenant_id == tenant_id, where)):
                reached.add(channel)
        assert reached == ALL - by_rules
        points = await contact_points(connection, tenant_id, [number], now=NOW)
        shown = {point.channel for point in points[number] if point.status is ContactPointStatus.OPTED_OUT}
        assert shown == by_rules
    return by_rules


@pytest.mark.parametrize(
    ("events", "closed"),
    [
        pytest.param([{**LEFT, "communication": "C1"}], {Channel.EMAIL}, id="by a message"),
        pytest.param([{**LEFT, "communication": "C2"}], {Channel.SMS}, id="by answering"),
        pytest.param([{**LEFT, "source": "VOICE"}], {Channel.VOICE}, id="without a message"),
        pytest.param([LEFT], ALL, id="without naming a channel"),
        pytest.param([{**LEFT, "occurred_at": "2026-07-01T10:00:00Z"}], set(), id="not yet"),
    ],
)
@pytest.mark.parametrize("kind", REFUSING)
async def test_whoever_unsubscribes_or_complains_refuses_that_channel(
    database: Database, tenant_id: int, kind: str, events: list[dict[str, Any]], closed: set[Channel]
) -> None:
    told = [{**event, "kind": kind} for event in events]
    facts = {"communications": [row("communications"), INBOUND], "events": told}
    assert await _closed(database, tenant_id, facts) == closed


@pytest.mark.parametrize(("again", "closed"), [(False, set()), (True, {Channel.EMAIL})])
@pytest.mark.parametrize("kind", REFUSING)
async def test_refusing_again_by_the_same_message_undoes_a_consent(
    database: Database, tenant_id: int, kind: str, *, again: bool, closed: set[Channel]
) -> None:
    first = {**LEFT, "kind": kind, "communication": "C1"}
    later = {**first, "reference": "E2", "occurred_at": "2026-05-01T10:00:00Z"}
    consent = {**OTHER, "address": HOME["email"], "consented_at": "2026-04-01T10:00:00Z"}
    facts = {
        "communications": [row("communications")],
        "events": [first, later] if again else [first],
        "contact_points": [consent],
    }
    assert await _closed(database, tenant_id, facts) == closed


@pytest.mark.parametrize(
    ("stated", "closed"),
    [
        ({"opted_out_at": "2026-03-01T10:00:00Z"}, {Channel.EMAIL}),
        ({"opted_out_at": "2026-03-01T10:00:00Z", "consented_at": "2026-07-01T10:00:00Z"}, {Channel.EMAIL}),
        ({"opted_out_at": "2026-07-01T10:00:00Z"}, set()),
    ],
)
async def test_what_is_stated_of_an_address_holds_from_its_instant_on(
    database: Database, tenant_id: int, stated: dict[str, str], closed: set[Channel]
) -> None:
    point = {**OTHER, "address": HOME["email"], **stated}
    assert await _closed(database, tenant_id, {"contact_points": [point]}) == closed


async def _channels(database: Database, tenant_id: int, known: datetime) -> set[Channel]:
    async with database.transaction(tenant_id) as connection:
        number = await connection.scalar(text("SELECT id FROM debtor"))
        people = await reachability(connection, tenant_id, [number], known=known)
        return {channel for channel in ALL if not blocks(NOON, channel, people[number])}


async def test_an_opt_out_by_one_address_holds_for_all_and_a_consent_known_only_later_does_not_count(
    database: Database, tenant_id: int
) -> None:
    points = [
        {**OTHER, "opted_out_at": "2026-03-01T10:00:00Z"},
        {**OTHER, "address": HOME["email"], "consented_at": "2026-05-01T10:00:00Z"},
    ]
    await merge_facts(
        database, tenant_id, {"debtors": [HOME], "accounts": [row("accounts")], "contact_points": points}
    )
    assert Channel.EMAIL not in await _channels(
        database, tenant_id, datetime.fromisoformat("2026-04-01T00:00:00Z")
    )
    assert Channel.EMAIL in await _channels(database, tenant_id, NOW)
