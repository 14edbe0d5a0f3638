"""What a changed row means for others: whose state is to be derived anew, which rows follow their parent."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.rejections import RejectCode
from domain.storage.derived import collection_settings, rules_look_at
from domain.storage.ingest.scope import OF_TENANT
from domain.storage.ingest.targets import TARGETS


async def touch(connection: AsyncConnection, tenant_id: int, name: str) -> None:
    """Add the debtors of new and changed rows to `touched_debtor`; new debtors count as locked."""
    if name == "events":
        await touch_moved_by_events(connection, tenant_id)
        return
    if name == "debtors":
        await connection.execute(
            text(
                "INSERT INTO locked_debtor SELECT d.id, d.reference FROM debtor d JOIN resolved_debtors r "
                f"ON r.reference = d.reference WHERE d.{OF_TENANT} AND NOT r.stored AND r.problem IS NULL"
            ),
            {"tenant_id": tenant_id},
        )
        source = (
            "SELECT d.id FROM debtor d JOIN resolved_debtors r ON r.reference = d.reference "
            f"WHERE d.{OF_TENANT} AND r.changed AND r.problem IS NULL"
        )
    elif TARGETS[name].owner is None:
        return
    else:
        either = "unnest(ARRAY[debtor_id, old_debtor_id])"
        source = f"SELECT {either} FROM resolved_{name} WHERE changed AND problem IS NULL"
    await connection.execute(text(_TOUCH.format(source=source)), {"tenant_id": tenant_id})
    if name == "accounts" and await _any(connection, name, _IS_REGROUPED):
        await connection.execute(text(_TOUCH_FORMER), {"tenant_id": tenant_id})
    if name == "payments" and await _any(connection, name, _NAMES_A_MESSAGE):
        await connection.execute(text(_TOUCH_NAMED), {"tenant_id": tenant_id})


async def touch_moved_by_events(connection: AsyncConnection, tenant_id: int) -> None:
    """Add to `touched_debtor` those with a payment that one of the new events may have caused.

    What else is derived of a debtor, events do not change; where a segment rule looks at events, all are added.
    """
    if await rules_look_at(connection, tenant_id, "events"):
        await connection.execute(
            text(_TOUCH.format(source="SELECT debtor_id FROM resolved_events WHERE is_fresh"))
        )
        return
    settings = await collection_settings(connection, tenant_id)
    longest = max(settings.click_window, settings.open_window)
    await connection.execute(text(_TOUCH_MOVED), {"tenant_id": tenant_id, "longest": longest})


_TOUCH = """
    INSERT INTO touched_debtor SELECT DISTINCT id FROM ({source}) found (id) WHERE id IS NOT NULL
    ON CONFLICT DO NOTHING
"""
_TOUCH_MOVED = _TOUCH.format(
    source=f"""
        SELECT e.debtor_id FROM resolved_events e
        JOIN payment p ON p.{OF_TENANT} AND p.debtor_id = e.debtor_id AND p.communication_id IS NULL
            AND p.paid_at >= e.occurred_at AND p.paid_at < e.occurred_at + CAST(:longest AS interval)
        WHERE e.is_fresh
          AND (e.kind = 'RIGHT_PARTY_CONTACTED' OR e.kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT e.automated)
    """
)
_IS_REGROUPED = "stored AND (r.product, r.currency) IS DISTINCT FROM (old_product, old_currency)"
#: Debtors whom the account has left: their communications on it say its product and currency.
_TOUCH_FORMER = _TOUCH.format(
    source=f"""
        SELECT c.debtor_id FROM resolved_accounts r
        JOIN communication c ON c.{OF_TENANT} AND c.account_id = r.stored_id AND c.debtor_id <> r.old_debtor_id
        WHERE {_IS_REGROUPED} AND problem IS NULL
    """
)

_NAMES_A_MESSAGE = "stored AND changed AND (communication_id IS NOT NULL OR old_communication_id IS NOT NULL)"
#: Debtors to whom a message went that a payment names or did: payments tell when it converted, also those of an account
#: that has left the debtor.
_TOUCH_NAMED = _TOUCH.format(
    source=f"""
        SELECT c.debtor_id FROM resolved_payments r
        JOIN communication c ON c.{OF_TENANT} AND c.id IN (r.communication_id, r.old_communication_id)
        WHERE {_NAMES_A_MESSAGE} AND c.debtor_id <> r.debtor_id AND problem IS NULL
    """
)


async def follow_parents(connection: AsyncConnection, tenant_id: int, name: str) -> None:
    """Rows that repeat a value of a parent that has just changed: an account's debtor, a communication's channel."""
    if name == "accounts":
        for child in ("payment", "promise"):
            await connection.execute(
                text(
                    f"UPDATE {child} c SET debtor_id = r.debtor_id FROM resolved_accounts r "
                    f"WHERE c.{OF_TENANT} AND c.account_id = r.stored_id "
                    "AND r.debtor_id <> r.old_debtor_id AND r.problem IS NULL"
                ),
                {"tenant_id": tenant_id},
            )
    elif name == "communications" and await _any(connection, "communications", "channel <> old_channel"):
        # the one time that all events are read: no index leads from a communication to them
        await connection.execute(
            text(
                f"UPDATE event e SET source = r.channel FROM resolved_communications r WHERE e.{OF_TENANT} "
                "AND e.communication_id = r.stored_id AND e.source = r.old_channel AND NOT e.source_stated "
                "AND r.channel <> r.old_channel AND r.problem IS NULL"
            ),
            {"tenant_id": tenant_id},
        )


async def refuse_to_move(connection: AsyncConnection, tenant_id: int) -> None:
    """A communication stays with its debtor once events, payments or promises refer to it: theirs can't change."""
    if not await _any(connection, "communications", "debtor_id <> old_debtor_id"):
        return
    referring = " UNION ".join(
        f"SELECT communication_id FROM {table} WHERE {OF_TENANT} AND communication_id IN "
        "(SELECT stored_id FROM resolved_communications WHERE debtor_id <> old_debtor_id)"
        for table in ("event", "payment", "promise")
    )
    await connection.execute(
        text(
            f"UPDATE resolved_communications r SET problem = 'debtor {RejectCode.DEBTOR_CHANGED.value}' "
            f"FROM ({referring}) x WHERE r.stored_id = x.communication_id AND r.debtor_id <> r.old_debtor_id "
            "AND r.problem IS NULL"
        ),
        {"tenant_id": tenant_id},
    )


async def _any(connection: AsyncConnection, name: str, condition: str) -> bool:
    return bool(
        await connection.scalar(
            text(f"SELECT EXISTS (SELECT FROM resolved_{name} r WHERE problem IS NULL AND {condition})")
        )
    )
