"""What a tenant's forecasts learn from, counted part by part: memory holds a part and the counts, whatever the size."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.histories import export, load
from domain.latest import Latest
from domain.storage.reads.portfolio import debtors_after
from domain.storage.sessions import Database
from ml.forecast import Tally, tally_of

PART = 10_000
"""Debtors whose histories are in memory at once."""
_KEPT = 4


async def count(database: Database, tenant_id: int, *, as_of: datetime, folder: Path) -> Tally:
    """Everything known at `as_of`; one transaction per part. folder: where a part's files may lie for a moment."""
    whole, last = None, 0
    while True:
        async with database.transaction(tenant_id) as connection:
            part = await debtors_after(connection, tenant_id, last, limit=PART)
        if not part and whole is not None:
            return whole
        found = await _count_part(database, tenant_id, [one.id for one in part], as_of, folder)
        whole = found if whole is None else await asyncio.to_thread(whole.__add__, found)
        if len(part) < PART:
            return whole
        last = part[-1].id


async def _count_part(
    database: Database, tenant_id: int, debtor_ids: Sequence[int], as_of: datetime, folder: Path
) -> Tally:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        part = Path(place) / "part"
        async with database.transaction(tenant_id) as connection:
            await export(connection, tenant_id, as_of=as_of, folder=part, debtor_ids=debtor_ids)
        return await asyncio.to_thread(lambda: tally_of(load(part)))


class Tallies:
    """Counts, kept for a little while: what is asked again within `fresh` is answered from memory."""

    def __init__(self, database: Database, folder: Path, *, fresh: timedelta = timedelta(minutes=1)) -> None:
        """folder: where files may lie for a moment."""
        self._database = database
        self._folder = folder
        self._fresh = fresh
        self._kept: Latest[int, tuple[float, datetime, Tally]] = Latest(_KEPT)
        self._counting = asyncio.Lock()

    async def whole(self, tenant_id: int, *, as_of: datetime) -> Tally:
        """Everything known at `as_of`, or at an instant shortly before it on the same UTC day; the tally says which."""
        tally = self._found(tenant_id, as_of)
        if tally is not None:  # whoever has been counted does not wait for the counting of others
            return tally
        async with self._counting:  # two at once would count the same twice
            tally = self._found(tenant_id, as_of)
            if tally is None:
                tally = await count(self._database, tenant_id, as_of=as_of, folder=self._folder)
                await asyncio.to_thread(lambda: tally.fingerprint)  # here, so that nobody waits for it later
                self._kept.keep(tenant_id, (time.monotonic(), as_of, tally))
            return tally

    def _found(self, tenant_id: int, as_of: datetime) -> Tally | None:
        """What was counted lately, if that serves."""
        kept = self._kept.recall(tenant_id)
        if kept is None:
            return None
        counted_at, known, tally = kept
        recent = time.monotonic() - counted_at < self._fresh.total_seconds()
        same_day = as_of.astimezone(UTC).date() == known.astimezone(UTC).date()  # it begins with that day
        return tally if recent and same_day and timedelta(0) <= as_of - known <= self._fresh else None
