"""Decisions for a few debtors at once, logged."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Failure, Window
from api.decisions.choosing import Deciding, decide, left_alone
from api.decisions.requests import misplaced_window
from api.histories import read_history_of
from api.recommendations import translation
from api.recommendations.champions import Champion, Champions
from api.recommendations.hours import window_from
from domain.audit import Signature
from domain.contact_rules import Reachability
from domain.contact_rules.frequency import look_back
from domain.decision_settings import DecisionSettings, is_held_out
from domain.storage.audit import record
from domain.storage.decisions import NewDecision, deciding_alone, log_decisions
from domain.storage.derived.settings import decision_settings
from domain.storage.models import champion as present_champion
from domain.storage.reachability import reachability
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from ml.exploration import EXPLORING, RECOMMENDED


def new_seed() -> int:
    """A seed that nobody can guess, 63 bits."""
    return secrets.randbits(63)


class DecisionService:
    """`api.services.Decisions`."""

    def __init__(
        self, database: Database, champions: Champions, *, seeds: Callable[[], int] = new_seed
    ) -> None:
        self._database = database
        self._champions = champions
        self._seeds = seeds
        # What is decided keeps a connection while it is computed; the others are for everybody else.
        self._computing = asyncio.Semaphore(max(1, database.pool_size // 2))

    async def decide(
        self,
        tenant_id: int,
        debtor_ids: Sequence[int],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        explore: bool,
        as_of: datetime,
        by: Signature,
        clock: Callable[[], datetime] | None = None,
    ) -> Mapping[int, int] | Failure:
        """Decide for each debtor id asked (all the tenant's, at most 1,000) and log it; debtor id → decision id.

        clock: where `as_of` is now. Whoever has to wait for others who decide does so as of when the wait is over.
        None: nothing later than `as_of` is seen.
        Failure: WINDOW_IS_PAST, WINDOW_TOO_FAR.
        """
        window = window_from(within, as_of)
        misplaced = misplaced_window(window, as_of)
        if misplaced is not None:
            return misplaced
        champion = await self._champions.deciding(tenant_id, as_of=as_of)
        ids = list(dict.fromkeys(debtor_ids))

        async def logged(
            connection: AsyncConnection, people: Mapping[int, Reachability], window: Window, as_of: datetime
        ) -> Mapping[int, int]:
            if champion is None:
                decisions = await self._without_model(connection, tenant_id, people, window, channels, as_of)
            else:
                decisions = await self._decide(
                    connection, tenant_id, champion, people, window, channels, explore, as_of
                )
            numbers = await log_decisions(connection, tenant_id, decisions)
            nodes = [("Decision", number) for number in numbers]
            await record(connection, tenant_id, by, "decide", nodes=nodes)
            return {one.debtor_id: number for one, number in zip(decisions, numbers, strict=True)}

        async with self._computing, self._database.transaction(tenant_id) as connection:
            people = await reachability(connection, tenant_id, ids, known=as_of)
            if not any(look_back(person.presets) for person in people.values()):
                return await logged(connection, people, window, as_of)
        async with deciding_alone(self._database, tenant_id) as connection:
            if clock is not None:
                as_of = max(as_of, clock())
                window = window_from(within, as_of)
            misplaced = misplaced_window(window, as_of)
            if misplaced is not None:
                return misplaced
            people = await reachability(connection, tenant_id, ids, known=as_of, whenever_decided=True)
            return await logged(connection, people, window, as_of)

    async def _decide(
        self,
        connection: AsyncConnection,
        tenant_id: int,
        champion: Champion,
        people: Mapping[int, Reachability],
        window: Window,
        channels: frozenset[Channel] | None,
        explore: bool,
        as_of: datetime,
    ) -> list[NewDecision]:
        settings: DecisionSettings = await decision_settings(connection, tenant_id)
        history = await read_history_of(
            connection, tenant_id, list(people), as_of=as_of, attributes=champion.attributes
        )
        deciding = Deciding(
            champion,
            await self._champions.plan(tenant_id, champion, channels),
            window,
            channels,
            as_of,
            EXPLORING if explore else RECOMMENDED,
            self._seeds(),
        )
        share = settings.hold_out_share
        held_out = frozenset(number for number in people if is_held_out(tenant_id, number, share))
        return await self._champions.run(
            partial(decide, deciding, history, people, held_out=held_out, hold_out_share=share)
        )

    async def _without_model(
        self,
        connection: AsyncConnection,
        tenant_id: int,
        people: Mapping[int, Reachability],
        window: Window,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> list[NewDecision]:
        latest = await present_champion(connection, tenant_id)
        reasons = translation.no_model(as_of, is_past=latest is not None).reasons
        alone = partial(
            left_alone, people, reasons, window=window, channels=channels, as_of=as_of, seed=self._seeds()
        )
        return await self._champions.run(alone)
