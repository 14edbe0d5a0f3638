"""The worker's segmenter: applies new segment rules to large portfolios, tenant by tenant."""

from datetime import UTC, datetime

from api.jobs.rounds import TenantRounds
from domain.storage.derived import apply_draft
from domain.storage.sessions import Database


class Segmenter(TenantRounds):
    """Applies the segment rules that wait as drafts."""

    name = "segmenter"
    waiting = "segment_draft"

    async def take_turn(self, database: Database, tenant_id: int) -> int:
        """Segment the tenant's debtors and history by its draft, if it has one."""
        async with database.transaction(tenant_id) as connection:
            return int(await apply_draft(connection, tenant_id, now=datetime.now(UTC)))
