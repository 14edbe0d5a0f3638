"""One batch per level: what many resolvers ask for at once is read in one statement, in a transaction of its own."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.dataloader import DataLoader

from api.answers import Recommendation, Window
from api.services import Recommendations
from domain.storage.models import ModelVersion
from domain.storage.reads import (
    accounts,
    campaigns,
    communications,
    contacts,
    debtors,
    decisions,
    models,
    payments,
    promises,
    segments,
)
from domain.storage.reads.paging import Page, Position

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


@dataclass(frozen=True)
class Slice:
    """Which page of a parent's list: the first so many after a position."""

    parent: int
    first: int
    position: Position | None


@dataclass(frozen=True)
class Asked:
    """A recommendation for one debtor, as asked."""

    debtor_id: int
    within: Window | None
    as_of: datetime


class Loaders:
    """The loaders of one operation. Each makes one statement per level of the query, however many rows ask."""

    def __init__(
        self, transaction: Transaction, tenant_id: int, now: datetime, recommendations: Recommendations
    ) -> None:
        self._transaction = transaction
        self._recommendations = recommendations
        self._tenant_id = tenant_id
        self._now = now

        self.debtor = self._optional(partial(debtors.debtors_by_id, now=now))
        self.account = self._optional(partial(accounts.accounts_by_id, now=now))
        self.agent: DataLoader[int, accounts.AgentRow | None] = self._optional(accounts.agents_by_id)
        self.communication = self._optional(communications.communications_by_id)
        self.promise = self._optional(promises.promises_by_id)
        self.payment = self._optional(payments.payments_by_id)
        self.model_version: DataLoader[int, ModelVersion | None] = self._optional(models.versions_by_id)
        self.campaign = self._optional(campaigns.campaigns_by_id)
        self.decision = self._optional(decisions.decisions_by_id)
        self.outcome: DataLoader[int, int | None] = self._optional(decisions.outcomes)
        self.segment_rule = self._optional(segments.rules_by_key)
        self.segment_size: DataLoader[str, int] = self._counted(segments.debtors_by_segment)

        self.recommendation: DataLoader[Asked, Recommendation] = DataLoader(self._recommend)
        self.balances: DataLoader[int, list[tuple[str, Decimal]]] = self._total(debtors.balances)
        self.contact_points: DataLoader[int, list[contacts.ContactPointRow]] = self._total(
            partial(contacts.contact_points, now=now)
        )

        self.accounts_of = self._slices(partial(accounts.accounts_of_debtors, now=now))
        self.communications_of = self._slices(communications.communications_of_debtors)
        self.promises_of = self._slices(promises.promises_of_debtors)
        self.payments_of = self._slices(payments.payments_of_debtors)
        self.account_count = self._counted(accounts.count_accounts_of_debtors)
        self.communication_count = self._counted(communications.count_communications_of_debtors)
        self.promise_count = self._counted(promises.count_promises_of_debtors)
        self.payment_count = self._counted(payments.count_payments_of_debtors)

    def _loader(
        self, read: Callable[..., Awaitable[Mapping[K, V]]], pick: Callable[[Mapping[K, V], K], Any]
    ) -> DataLoader[K, Any]:
        async def load(keys: list[K]) -> list[Any]:
            async with self._transaction() as connection:
                found = await read(connection, self._tenant_id, keys)
            return [pick(found, key) for key in keys]

        return DataLoader(load)

    def _optional(self, read: Callable[..., Awaitable[Mapping[K, V]]]) -> DataLoader[K, V | None]:
        return self._loader(read, lambda found, key: found.get(key))

    def _total(self, read: Callable[..., Awaitable[Mapping[K, V]]]) -> DataLoader[K, V]:
        return self._loader(read, lambda found, key: found[key])

    def _counted(self, read: Callable[..., Awaitable[Mapping[K, int]]]) -> DataLoader[K, int]:
        return self._loader(read, lambda found, key: found.get(key, 0))

    def _slices(self, read: Callable[..., Awaitable[Mapping[int, Page[V]]]]) -> DataLoader[Slice, Page[V]]:
        async def load(slices: list[Slice]) -> Sequence[Page[V]]:
            pages: dict[Slice, Page[V]] = {}
            async with self._transaction() as connection:
                for first, position in {(each.first, each.position) for each in slices}:
                    parents = [
                        each.parent for each in slices if (each.first, each.position) == (first, position)
                    ]
                    found = await read(connection, self._tenant_id, parents, first=first, position=position)
                    pages |= {Slice(parent, first, position): page for parent, page in found.items()}
            return [pages[each] for each in slices]

        return DataLoader(load)

    async def _recommend(self, asked: list[Asked]) -> list[Recommendation]:
        found: dict[Asked, Recommendation] = {}
        for within, as_of in {(each.within, each.as_of) for each in asked}:
            together = [each for each in asked if (each.within, each.as_of) == (within, as_of)]
            answers = await self._recommendations.for_debtors(
                self._tenant_id,
                [each.debtor_id for each in together],
                within=within,
                channels=None,
                as_of=as_of,
            )
            found |= {each: answers[each.debtor_id] for each in together}
        return [found[each] for each in asked]
