"""What happens while the scoring threads are busy and much waits for them."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

from sqlalchemy import text

from api.recommendations.champions import Champions
from domain.storage.sessions import Database


async def made_beside_a_reader(
    champions: Champions, narrow: Database, tenant_id: int, works: Sequence[Coroutine[Any, Any, Any]]
) -> list[Any]:
    """What each of the works answers in the end; before, what needs no score is served from the same narrow pool."""
    go_on = threading.Event()
    busy = [asyncio.ensure_future(champions.run(go_on.wait)) for _ in range(2)]
    working = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.sleep(0.5)
        async with asyncio.timeout(10), narrow.transaction(tenant_id) as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    finally:
        go_on.set()
        made = await asyncio.gather(*working, *busy)
        await narrow.close()
    return made[: len(working)]
