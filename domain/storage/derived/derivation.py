"""Derived state brought up to date: for debtors whose facts changed, whose time has come, or who follow new rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.segments import read_segment_rules
from domain.storage.derived.attribution import attribute_payments, convert_others
from domain.storage.derived.balances import derive_balances
from domain.storage.derived.communications import derive_communications
from domain.storage.derived.debtors import derive_debtors
from domain.storage.derived.plans import Scale, planned, refresh_statistics
from domain.storage.derived.segment_rules import SegmentProgram, segment_program
from domain.storage.derived.segment_sets import (
    default_rules,
    mark_applied,
    own_segments,
    replace_segments,
    same_rules,
    share_segments,
    stored_segments,
    try_own_segments,
)
from domain.storage.derived.segment_sizes import fold_sizes
from domain.storage.derived.settings import collection_settings
from domain.storage.derived.settlement import settle_promises
from domain.storage.derived.spans import offer_spans
from domain.storage.derived.touched import lock_all, lock_due, touched_count
from domain.storage.rollups.changes import collect_days, publish_days, touch_other_facts

_HISTORY = frozenset({"debtors", "accounts", "payments", "communications"})

# Tables that matter to rules with such a filter only.
_RULE_TABLES = {
    "promise_status": frozenset({"promises"}),
    "reachable_by": frozenset({"events", "contact_points"}),
}

_ANY_DUE = text("SELECT EXISTS (SELECT FROM debtor WHERE tenant_id = :tenant_id AND state_until <= :now)")
_ANY_UNTOUCHED = text(
    """
    SELECT EXISTS (SELECT FROM debtor d WHERE d.tenant_id = :tenant_id
                   AND NOT EXISTS (SELECT FROM touched_debtor t WHERE t.debtor_id = d.id))
    """
)


class SegmentsHeld(Exception):
    """Other default segments are to be put in force while somebody else has those that are."""


@dataclass(frozen=True)
class _Demand:
    """Which derived columns may have changed."""

    attribution: bool
    promises: bool
    balances: bool
    states: bool
    defaults: bool

    @classmethod
    def by(cls, merged: frozenset[str], rules: SegmentProgram) -> Self:
        """By the tables that were merged."""
        for_rules = (tables for field, tables in _RULE_TABLES.items() if field in rules.needs)
        return cls(
            attribution=bool(merged & {"accounts", "events", "payments", "communications"}),
            promises=bool(merged & {"debtors", "accounts", "payments", "promises"}),
            balances=bool(merged & {"debtors", "accounts", "payments"}),
            states=bool(merged & _HISTORY.union(*for_rules)),
            defaults=bool(merged & {"accounts", "exchange_rates"}),
        )


#: What may change as time passes: facts dated later come true, accounts open and close, days go by.
_TIME = frozenset({"accounts", "payments", "promises", "communications"})


async def derive(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    merged: frozenset[str],
    now: datetime,
    may_wait: bool = False,
) -> None:
    """Recompute every `# derived` column of the debtors in the temporary table `touched_debtor`, as of `now`.

    The caller has locked the debtors' rows and written facts into the tables named in `merged` (as in the import
    format: "payments", "events", ...). What those tables cannot have changed is not looked at. Where new products,
    currencies or rates ask for other default segments, the touched debtors follow them at once, all others with the
    next `catch_up`. At its end the days whose KPIs changed are published (`domain.storage.rollups.changes`).

    may_wait: whether the caller can undo all it has written and locked, wait for the segments alone (`own_segments`),
    and derive again. Whoever cannot leaves them as they are while others have them, and the touched debtors due.

    Raises:
        SegmentsHeld: that is to be done.
    """
    await collect_days(connection)
    await _derive_columns(connection, tenant_id, merged=merged, now=now, may_wait=may_wait)
    await fold_sizes(connection, tenant_id)
    await publish_days(connection, tenant_id)


async def _derive_columns(
    connection: AsyncConnection, tenant_id: int, *, merged: frozenset[str], now: datetime, may_wait: bool
) -> None:
    scale = Scale(await touched_count(connection))
    if not scale.debtors and not merged & {"accounts", "exchange_rates"}:
        return
    await refresh_statistics(connection, tenant_id, scale)
    async with planned(connection, scale):
        is_current = True
        if merged & {"accounts", "exchange_rates"}:
            is_current = await _follow_new_kinds(connection, tenant_id, now=now)
            if may_wait and not is_current:
                raise SegmentsHeld
        is_shared = await share_segments(connection, tenant_id)
        # Read only now: until they are shared, somebody may put others in force who has not seen our new debtors.
        segments = await stored_segments(connection, tenant_id)
        await _derive_touched(
            connection,
            tenant_id,
            merged=merged,
            rules=segment_program(segments.rules),
            now=now,
            due_at=None if is_shared and is_current else now,
            scale=scale,
        )


async def _follow_new_kinds(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> bool:
    """Store the default rules as they should be now, if such are in force; False while somebody else holds them."""
    segments = await stored_segments(connection, tenant_id)
    if not segments.is_default:
        return True
    wanted = await default_rules(connection, tenant_id, now=now)
    if same_rules(segments, wanted):
        return True
    if not await try_own_segments(connection, tenant_id):
        return False
    others = await connection.scalar(_ANY_UNTOUCHED, {"tenant_id": tenant_id})
    applied_at = None if others else now
    await replace_segments(connection, tenant_id, wanted, is_default=True, applied_at=applied_at)
    if others:
        await touch_other_facts(connection)  # whoever watches is to have the others follow
    return True


async def _derive_touched(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    merged: frozenset[str],
    rules: SegmentProgram,
    now: datetime,
    due_at: datetime | None,
    scale: Scale,
) -> None:
    demand = _Demand.by(merged, rules)
    settings = await collection_settings(connection, tenant_id)
    if demand.attribution:
        await attribute_payments(connection, tenant_id, settings=settings, now=now, convert=not demand.states)
    if demand.promises:
        await settle_promises(connection, tenant_id, settings=settings, now=now)
    if not demand.states:
        return
    if not await convert_others(connection, tenant_id, now=now):
        due_at = now
    async with offer_spans(connection, tenant_id, rules=rules, settings=settings, scale=scale):
        if demand.balances:
            await derive_balances(connection, tenant_id, now=now, scale=scale)
        await derive_debtors(connection, tenant_id, rules=rules, now=now, due_at=due_at, scale=scale)
        await derive_communications(connection, tenant_id, rules=rules, now=now, scale=scale)


async def rules_look_at(connection: AsyncConnection, tenant_id: int, table: str) -> bool:
    """Whether a segment rule in force has a filter on the facts of an import table, such as "events"."""
    needs = segment_program((await stored_segments(connection, tenant_id)).rules).needs
    return any(table in tables for field, tables in _RULE_TABLES.items() if field in needs)


async def catch_up(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> int:
    """Bring up to `now` what time alone has changed, and apply segment rules that not all history follows yet.

    To be called before reads that must be current, in a transaction of its own; with nothing due it is two look-ups.
    Answers how many debtors were derived again. It does not wait for a draft of rules that is being applied.
    """
    if not (await stored_segments(connection, tenant_id)).is_applied:
        await own_segments(connection, tenant_id)
        # Whoever owned them until now may have applied them.
        if not (await stored_segments(connection, tenant_id)).is_applied:
            return await _apply_segments(connection, tenant_id, now=now)
    if not await connection.scalar(_ANY_DUE, {"tenant_id": tenant_id, "now": now}):
        return 0
    # Whoever applies rules to everybody has locked everybody, and does this as well.
    await lock_due(connection, tenant_id, now=now, wait=await share_segments(connection, tenant_id))
    await derive(connection, tenant_id, merged=_TIME, now=now)
    return await touched_count(connection)


async def define_segments(
    connection: AsyncConnection, tenant_id: int, rules: Sequence[Any], *, now: datetime
) -> None:
    """Store a tenant's own rules (a list of SegmentInput JSON, first match first) and re-segment everything by them.

    An empty list goes back to the default set. In a transaction of its own: all debtors are locked.

    Raises:
        FilterError: a rule cannot be read or taken; nothing is changed. Its path begins with `input`.
    """
    read_segment_rules(rules, ("input",))
    await own_segments(connection, tenant_id)
    wanted = rules or await default_rules(connection, tenant_id, now=now)
    await replace_segments(connection, tenant_id, wanted, is_default=not rules, applied_at=None)
    await _apply_segments(connection, tenant_id, now=now)


async def _apply_segments(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> int:
    """Segment all debtors and all history by the rules in force; the caller owns them."""
    await lock_all(connection, tenant_id)
    await derive(connection, tenant_id, merged=_TIME, now=now)
    await mark_applied(connection, tenant_id, now=now)
    return await touched_count(connection)


async def derive_everything(connection: AsyncConnection, tenant_id: int, *, now: datetime) -> int:
    """Derive all debtors anew from the facts, after a change of settings in this transaction; answers how many.

    Whoever derives meanwhile by the former settings does so for debtors that this waits for, or marks them as due.
    """
    await own_segments(connection, tenant_id)
    await touch_other_facts(connection)
    return await _apply_segments(connection, tenant_id, now=now)
