"""A hard bounce closes all addresses of its channel, until something arrives or an address is proven after it."""

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

FACTS = {
    "debtors": [row("debtors", email="ana@example.org")],
    "accounts": [row("accounts")],
    "communications": [row("communications", sent_at="2026-02-01T10:00:00Z")],
    "events": [
        row("events", communication="C1", kind="BOUNCED_HARD", occurred_at="2026-02-01T12:00:00Z"),
    ],
}
AGAIN = {
    "communications": [row("communications", reference="C2", sent_at="2026-04-01T10:00:00Z")],
    "events": [
        row(
            "events",
            reference="E2",
            communication="C2",
            kind="BOUNCED_HARD",
            occurred_at="2026-04-01T12:00:00Z",
        )
    ],
}
ARRIVED = {**AGAIN, "events": [{**AGAIN["events"][0], "kind": "DELIVERED"}]}
UNVERIFIED, VERIFIED, BOUNCED = (
    ContactPointStatus.UNVERIFIED,
    ContactPointStatus.VERIFIED,
    ContactPointStatus.BOUNCED,
)


def point(address: str, verified_at: str = "") -> dict[str, list[dict[str, Any]]]:
    return {
        "contact_points": [
            {"debtor": "D1", "channel": "EMAIL", "address": address, "verified_at": verified_at}
        ]
    }


async def _state(database: Database, tenant_id: int) -> tuple[bool, dict[str, ContactPointStatus]]:
    """Whether e-mail is open, as each way to ask tells; and how its addresses stand."""
    async with database.transaction(tenant_id) as connection:
        number = await connection.scalar(text("SELECT id FROM debtor"))
        people = await reachability(connection, tenant_id, [number], known=NOW)
        rules = [block.rule for block in blocks(NOW.replace(hour=12), Channel.EMAIL, people[number])]
        assert [rule.partition("@")[0] for rule in rules] in ([], ["HARD_BOUNCE"])
        where = debtor_condition(read_debtor_where({"reachableBy": ["EMAIL"]}), now=NOW)
        reached = await connection.scalar(select(debtor.c.id).where(debtor.c.tenant_id == tenant_id, where))
        assert (reached is None) == bool(rules)
        points = await contact_points(connection, tenant_id, [number], now=NOW)
        return not rules, {one.address: one.status for one in points[number] if one.channel is Channel.EMAIL}


@pytest.mark.parametrize(
    ("also", "is_open", "statuses"),
    [
        pytest.param([], False, {"ana@example.org": BOUNCED}, id="bounced"),
        pytest.param([ARRIVED], True, {"ana@example.org": UNVERIFIED}, id="another arrived"),
        pytest.param(
            [point("ana@new.example")],
            False,
            {"ana@example.org": BOUNCED, "ana@new.example": BOUNCED},
            id="another address, since who knows when",
        ),
        pytest.param(
            [{"debtors": [row("debtors", email="ana@new.example")]}],
            False,
            {"ana@new.example": BOUNCED},
            id="a corrected address, in use since who knows when",
        ),
        pytest.param(
            [
                {"debtors": [row("debtors", email="ana@new.example")]},
                point("ana@new.example", "2026-03-01T10:00:00Z"),
            ],
            True,
            {"ana@new.example": VERIFIED},
            id="a corrected address, proven after the bounce",
        ),
        pytest.param(
            [point("ana@new.example", "2026-02-01T12:00:00Z")],
            False,
            {"ana@example.org": BOUNCED, "ana@new.example": BOUNCED},
            id="proven no later than it bounced",
        ),
        pytest.param(
            [point("ana@new.example", "2026-03-01T10:00:00Z")],
            True,
            {"ana@example.org": BOUNCED, "ana@new.example": VERIFIED},
            id="proven after the bounce",
        ),
        pytest.param(
            [point("ana@example.org", "2026-03-01T10:00:00Z")],
            True,
            {"ana@example.org": VERIFIED},
            id="the same address, proven again",
        ),
        pytest.param(
            [point("ana@new.example", "2026-07-01T10:00:00Z")],
            False,
            {"ana@example.org": BOUNCED, "ana@new.example": BOUNCED},
            id="proven later than now",
        ),
        pytest.param(
            [point("ana@new.example", "2026-03-01T10:00:00Z"), AGAIN],
            False,
            {"ana@example.org": BOUNCED, "ana@new.example": BOUNCED},
            id="bounced since",
        ),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["bounce first", "bounce last"])
async def test_a_bounce_counts_until_something_arrives_or_an_address_is_proven(
    database: Database,
    tenant_id: int,
    *,
    also: list[dict[str, list[dict[str, Any]]]],
    is_open: bool,
    statuses: dict[str, ContactPointStatus],
    late: bool,
) -> None:
    home = {"debtors": FACTS["debtors"], "accounts": FACTS["accounts"]}
    bounce = {name: FACTS[name] for name in ("communications", "events")}
    for facts in (home, *also, bounce) if late else (home, bounce, *also):
        await merge_facts(database, tenant_id, facts)
    assert await _state(database, tenant_id) == (is_open, statuses)


@pytest.mark.parametrize(
    ("sent_at", "is_open"),
    [
        pytest.param("2026-02-02T10:00:00Z", False, id="under way to the same address"),
        pytest.param("2026-02-11T10:00:00Z", True, id="sent in the knowledge of the bounce"),
    ],
)
async def test_of_letters_only_one_sent_after_the_bounce_came_back_tells_that_they_arrive(
    database: Database, tenant_id: int, *, sent_at: str, is_open: bool
) -> None:
    letters = [
        row("communications", reference=name, channel="LETTER", sent_at=at)
        for name, at in (("C1", "2026-02-01T10:00:00Z"), ("C2", sent_at))
    ]
    back = row("events", communication="C1", kind="BOUNCED_HARD", occurred_at="2026-02-10T12:00:00Z")
    debtors = [row("debtors", postal_address="1 High Street")]
    facts = {"debtors": debtors, "accounts": [row("accounts")], "communications": letters, "events": [back]}
    await merge_facts(database, tenant_id, facts)
    async with database.transaction(tenant_id) as connection:
        number = await connection.scalar(text("SELECT id FROM debtor"))
        people = await reachability(connection, tenant_id, [number], known=NOW)
    rules = [block.rule for block in blocks(NOW.replace(hour=12), Channel.LETTER, people[number])]
    assert [rule.partition("@")[0] for rule in rules] == ([] if is_open else ["HARD_BOUNCE"])
