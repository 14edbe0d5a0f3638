"""New segment rules: applied at once to a small portfolio, kept as a draft for the background where it is large.

Until a draft is applied, everything answers by the former rules. It is applied in one transaction, so whoever dies over
it leaves the draft to the next.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.segments import check_rules_extent, read_segment_rules
from domain.storage.derived.derivation import define_segments
from domain.storage.derived.segment_sets import own_segments

#: Up to so many debtors a call can wait for their history: some three seconds on two cores.
AT_ONCE = 5_000

_IS_LARGE = text(
    "SELECT count(*) > :most FROM (SELECT FROM debtor WHERE tenant_id = :tenant_id LIMIT :most + 1) d"
)
_KEEP = text(
    """
    INSERT INTO segment_draft (tenant_id, rules, defined_at) VALUES (:tenant_id, CAST(:rules AS jsonb), :now)
    ON CONFLICT (tenant_id) DO UPDATE SET rules = excluded.rules, defined_at = excluded.defined_at
    """
)
_PENDING = text("SELECT rules::text AS rules, defined_at FROM segment_draft WHERE tenant_id = :tenant_id")
_FORGET = text("DELETE FROM segment_draft WHERE tenant_id = :tenant_id AND defined_at <= :defined_at")


async def propose_segments(
    connection: AsyncConnection, tenant_id: int, rules: Sequence[Any], *, now: datetime
) -> bool:
    """Define a tenant's rules as `define_segments` does; False where they are left to `apply_draft`.

    Raises:
        FilterError: a rule cannot be read or taken; nothing is changed. Its path begins with `input`.
    """
    check_rules_extent(read_segment_rules(rules, ("input",)), ("input",))
    if await connection.scalar(_IS_LARGE, {"tenant_id": tenant_id, "most": AT_ONCE}):
        await connection.execute(
            _KEEP, {"tenant_id": tenant_id, "rules": json.dumps(list(rules)), "now": now}
        )
        return False
    await define_segments(connection, tenant_id, rules, now=now)
    await connection.execute(_FORGET, {"tenant_id": tenant_id, "defined_at": now})
    return True


async def draft_since(connection: AsyncConnection, tenant_id: int) -> datetime | None:
    """When the rules that are still to be applied were given; None when there are none."""
    pending = (await connection.execute(_PENDING, {"tenant_id": tenant_id})).one_or_none()
    return None if pending is None else pending.defined_at


async def apply_draft(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> bool:
    """Apply the tenant's draft, if there is one, in a transaction of its own; answers whether there was.

    One that is given meanwhile stays for the next time.
    """
    if await draft_since(connection, tenant_id) is None:
        return False
    await own_segments(connection, tenant_id)
    # Whoever owned them until now may have applied it.
    pending = (await connection.execute(_PENDING, {"tenant_id": tenant_id})).one_or_none()
    if pending is None:
        return False
    await define_segments(connection, tenant_id, json.loads(pending.rules), now=now)
    await connection.execute(_FORGET, {"tenant_id": tenant_id, "defined_at": pending.defined_at})
    return True
