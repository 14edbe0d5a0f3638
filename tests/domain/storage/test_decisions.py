"""What was decided by others, as plans that are being logged heed it."""

from datetime import UTC, datetime

from sqlalchemy import text

from domain.storage.decisions import NewDecision, decided_by_others, latest_decision, log_decisions
from domain.storage.sessions import Database
from domain.vocabulary import Arm
from tests.decided import decided
from tests.facts import merge_facts, row

AT = datetime(2026, 2, 10, 10, tzinfo=UTC)
NAMES = ("contacted", "left alone", "held out", "decided before")


def _decision(debtor_id: int, arm: Arm = Arm.PLANNED, *, contacted: bool = True) -> NewDecision:
    action = {"channel": "SMS", "send_at": AT.isoformat()} if contacted else None
    return decided(debtor_id, AT, action, arm=arm)


async def test_others_are_heeded_where_they_contact_somebody(database: Database, tenant_id: int) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", reference=name) for name in NAMES]})
    async with database.transaction(tenant_id) as connection:
        found = await connection.execute(text("SELECT reference, id FROM debtor"))
        ids = {one.reference: one.id for one in found}
        await log_decisions(connection, tenant_id, [_decision(ids["decided before"])])
    latest = await latest_decision(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        others = [
            _decision(ids["contacted"]),
            _decision(ids["left alone"], contacted=False),
            _decision(ids["held out"], Arm.HELD_OUT, contacted=False),
        ]
        await log_decisions(connection, tenant_id, others)
        assert await decided_by_others(connection, tenant_id, 0, after=latest) == [ids["contacted"]]
