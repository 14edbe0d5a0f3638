"""The tenant's lists: arguments read, a page and its count from storage, nodes out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import true

from api.graphql.context import Context
from api.graphql.counts import page_size
from api.graphql.cursors import ListOrder, decode, prefix
from api.graphql.types.audit import AuditEntry, AuditWhere
from api.graphql.types.campaigns import Campaign
from api.graphql.types.connections import Connection, connection_of
from api.graphql.types.debtors import Debtor
from api.graphql.types.facts import Communication, Promise
from api.graphql.types.inputs import CommunicationWhere, DebtorWhere, PromiseWhere, as_json
from api.graphql.types.inputs import DebtorOrder as DebtorOrderInput
from api.graphql.types.models import ModelVersion
from api.graphql.types.words import SortDirection
from api.services import InvalidArgument
from domain.debtor_where import DebtorWhere as DebtorsWanted
from domain.debtor_where import read_debtor_where
from domain.filters import currency as read_currency
from domain.list_where import CommunicationWhere as CommunicationsWanted
from domain.list_where import PromiseWhere as PromisesWanted
from domain.list_where import read_audit_where, read_communication_where, read_promise_where
from domain.storage.compiled import ListOf, Page
from domain.storage.reads import audit, campaigns, communications, conditions, debtors, models, promises
from domain.storage.reads.debtors import DebtorOrder, DebtorOrderField
from domain.storage.stored_debtor import debtor_condition

_SORTED_BY: dict[DebtorOrderField, type] = {
    DebtorOrderField.REFERENCE: str,
    DebtorOrderField.NAME: str,
    DebtorOrderField.DAYS_PAST_DUE: int,
    DebtorOrderField.LAST_CONTACTED_AT: datetime,
    DebtorOrderField.BALANCE: int,
}
_MOST_KEYS = 5
_COMMUNICATIONS = ListOrder("communications", (datetime, int))
_PROMISES = ListOrder("promises", (datetime, int))
_CAMPAIGNS = ListOrder("campaigns", (int,))
_MODEL_VERSIONS = ListOrder("modelVersions", (int,))
_AUDIT_LOG = ListOrder("auditLog", (datetime, int))


def debtor_order(given: Sequence[DebtorOrderInput] | None) -> list[DebtorOrder]:
    """The order of a list of debtors; REFERENCE ASC when none is given.

    Raises:
        InvalidArgument: too many keys, BALANCE without a currency, or a currency without BALANCE.
        FilterError: a currency that is no code.
    """
    if given is not None and len(given) > _MOST_KEYS:
        raise InvalidArgument(
            f"orderBy has {len(given)} keys; at most {_MOST_KEYS} are possible.", path=("orderBy",)
        )
    return [_sort_key(by, index) for index, by in enumerate(given or ())] or [DebtorOrder()]


def _sort_key(by: DebtorOrderInput, index: int) -> DebtorOrder:
    currency = by.currency or None
    path = ("orderBy", str(index), "currency")
    if by.field is DebtorOrderField.BALANCE and currency is None:
        raise InvalidArgument(
            f"{'.'.join(path)}: BALANCE is sorted in one currency; name it, such as EUR.", path=path
        )
    if by.field is not DebtorOrderField.BALANCE and currency is not None:
        raise InvalidArgument(f"{'.'.join(path)}: only BALANCE takes a currency; leave it out.", path=path)
    in_one = None if currency is None else read_currency(currency, path)
    return DebtorOrder(by.field, by.direction is SortDirection.DESC, in_one)


def _list_order(order: Sequence[DebtorOrder], now: datetime) -> ListOrder:
    keys = (f"{by.field}{'-' if by.descending else '+'}{by.currency or ''}" for by in order)
    dated = any(by.field is DebtorOrderField.DAYS_PAST_DUE for by in order)
    unique = order[-1].field is DebtorOrderField.REFERENCE
    kinds = (*(_SORTED_BY[by.field] for by in order), *(() if unique else (int,)))
    return ListOrder(f"debtors:{','.join(keys)}", kinds, at=now if dated else None)


def asked_debtors(
    context: Context,
    *,
    first: int | None,
    after: str | None,
    where: DebtorWhere | None,
    order_by: Sequence[DebtorOrderInput] | None,
) -> tuple[ListOf[DebtorsWanted], ListOrder]:
    """The arguments of the list of debtors as read, and what its cursors are bound to.

    Days past due change at midnight: their order stays that of the first page's instant through all its pages.

    Raises:
        InvalidArgument, FilterError: what is wrong with one.
    """
    size, order = page_size(first), debtor_order(order_by)
    wanted = None if where is None else read_debtor_where(as_json(where), ("where",))
    list_order = _list_order(order, context.now)
    position = None
    if after is not None:
        position, at = decode(list_order, after)
        list_order = replace(list_order, at=at)
    page = Page(size, prefix(list_order), position)
    return ListOf(page, wanted, tuple(order), list_order.at or context.now), list_order


async def list_debtors(
    context: Context,
    *,
    first: int | None,
    after: str | None,
    where: DebtorWhere | None,
    order_by: Sequence[DebtorOrderInput] | None,
) -> Connection[Debtor]:
    """A page of the debtors that meet a condition."""
    asked, list_order = asked_debtors(context, first=first, after=after, where=where, order_by=order_by)
    condition = true() if asked.where is None else debtor_condition(asked.where, now=context.now)
    async with context.transaction() as connection:
        page = await debtors.page_of_debtors(
            connection,
            context.tenant_id,
            where=condition,
            order=asked.order,
            first=asked.page.first,
            position=asked.page.position,
            now=context.now,
            ordered_at=asked.ordered_at or context.now,
        )

    async def count() -> int:
        async with context.transaction() as connection:
            return await debtors.count_debtors(connection, context.tenant_id, where=condition)

    return connection_of(page, list_order, after=after, node=Debtor.of, count=count)


def asked_communications(
    *, first: int | None, after: str | None, where: CommunicationWhere | None
) -> ListOf[CommunicationsWanted]:
    """The arguments of the list of communications as read.

    Raises:
        InvalidArgument, FilterError: what is wrong with one.
    """
    size = page_size(first)
    wanted = None if where is None else read_communication_where(as_json(where), ("where",))
    position = None if after is None else decode(_COMMUNICATIONS, after)[0]
    return ListOf(Page(size, prefix(_COMMUNICATIONS), position), wanted)


async def list_communications(
    context: Context, *, first: int | None, after: str | None, where: CommunicationWhere | None
) -> Connection[Communication]:
    """A page of the communications that meet a condition, newest first."""
    asked = asked_communications(first=first, after=after, where=where)
    condition = conditions.communications_where(asked.where or CommunicationsWanted(), context.tenant_id)
    async with context.transaction() as connection:
        page = await communications.page_of_communications(
            connection,
            context.tenant_id,
            where=condition,
            first=asked.page.first,
            position=asked.page.position,
        )

    async def count() -> int:
        async with context.transaction() as connection:
            return await communications.count_communications(connection, context.tenant_id, where=condition)

    return connection_of(page, _COMMUNICATIONS, after=after, node=Communication.of, count=count)


def asked_promises(
    *, first: int | None, after: str | None, where: PromiseWhere | None
) -> ListOf[PromisesWanted]:
    """The arguments of the list of promises as read.

    Raises:
        InvalidArgument, FilterError: what is wrong with one.
    """
    size = page_size(first)
    wanted = None if where is None else read_promise_where(as_json(where), ("where",))
    position = None if after is None else decode(_PROMISES, after)[0]
    return ListOf(Page(size, prefix(_PROMISES), position), wanted)


async def list_promises(
    context: Context, *, first: int | None, after: str | None, where: PromiseWhere | None
) -> Connection[Promise]:
    """A page of the promises that meet a condition as they stand now, newest first."""
    asked = asked_promises(first=first, after=after, where=where)
    condition = conditions.promises_where(asked.where or PromisesWanted(), context.tenant_id, now=context.now)
    async with context.transaction() as connection:
        page = await promises.page_of_promises(
            connection,
            context.tenant_id,
            where=condition,
            first=asked.page.first,
            position=asked.page.position,
        )

    async def count() -> int:
        async with context.transaction() as connection:
            return await promises.count_promises(connection, context.tenant_id, where=condition)

    return connection_of(
        page, _PROMISES, after=after, node=lambda row: Promise.of(row, context.now), count=count
    )


async def list_model_versions(
    context: Context, *, first: int | None, after: str | None
) -> Connection[ModelVersion]:
    """A page of the model versions, newest first."""
    size = page_size(first)
    position = None if after is None else decode(_MODEL_VERSIONS, after)[0]
    async with context.transaction() as connection:
        page = await models.page_of_versions(connection, context.tenant_id, first=size, position=position)

    async def count() -> int:
        async with context.transaction() as connection:
            return await models.count_versions(connection, context.tenant_id)

    return connection_of(page, _MODEL_VERSIONS, after=after, node=ModelVersion.of, count=count)


async def list_campaigns(context: Context, *, first: int | None, after: str | None) -> Connection[Campaign]:
    """A page of the campaigns, newest first."""
    size = page_size(first)
    position = None if after is None else decode(_CAMPAIGNS, after)[0]
    async with context.transaction() as connection:
        page = await campaigns.page_of_campaigns(connection, context.tenant_id, first=size, position=position)

    async def count() -> int:
        async with context.transaction() as connection:
            return await campaigns.count_campaigns(connection, context.tenant_id)

    return connection_of(
        page, _CAMPAIGNS, after=after, node=lambda row: Campaign.of(row, context.now), count=count
    )


async def list_audit_entries(
    context: Context, *, first: int | None, after: str | None, where: AuditWhere | None
) -> Connection[AuditEntry]:
    """A page of the audit log's entries that meet a condition, newest first."""
    size = page_size(first)
    condition = audit.audit_condition(read_audit_where({} if where is None else as_json(where), ("where",)))
    position = None if after is None else decode(_AUDIT_LOG, after)[0]
    database = context.services.database
    async with database.transaction(context.tenant_id) as connection:
        page = await audit.page_of_entries(
            connection, context.tenant_id, where=condition, first=size, position=position
        )

    async def count() -> int:
        async with database.transaction(context.tenant_id) as connection:
            return await audit.count_entries(connection, context.tenant_id, where=condition)

    return connection_of(page, _AUDIT_LOG, after=after, node=AuditEntry.of, count=count)
