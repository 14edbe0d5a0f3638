"""What the statements on debtors at an instant read besides the tables: accounts and promises through time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.collection_settings import CollectionSettings
from domain.storage.derived.account_spans import ACCOUNT_SPANS
from domain.storage.derived.plans import Scale
from domain.storage.derived.segment_rules import SegmentProgram
from domain.storage.derived.settlement import create_promise_spans

_CREATE_ACCOUNT_SPANS = (
    f"CREATE TEMP TABLE account_span ON COMMIT DROP AS {ACCOUNT_SPANS}",
    "CREATE INDEX ON account_span (debtor_id)",
    "ANALYZE account_span",
)


@asynccontextmanager
async def offer_spans(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    rules: SegmentProgram,
    settings: CollectionSettings,
    scale: Scale,
) -> AsyncIterator[None]:
    """Inside, for the touched debtors: `account_span` unless they are a handful, `promise_span` if a rule needs it."""
    promises = "promise_status" in rules.needs
    if not scale.is_a_handful:
        for statement in _CREATE_ACCOUNT_SPANS:
            await connection.execute(text(statement), {"tenant_id": tenant_id})
    if promises:
        await create_promise_spans(connection, tenant_id, settings=settings)
    yield
    if not scale.is_a_handful:
        await connection.execute(text("DROP TABLE account_span"))
    if promises:
        await connection.execute(text("DROP TABLE promise_span"))
