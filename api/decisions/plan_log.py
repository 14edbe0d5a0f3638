"""A plan as it is logged: part by part, while others decide, and once more for those whom they decided on meanwhile.

Rules on how often count what is decided, so whoever decides for a tenant waits for its turn. A large plan takes minutes
to log, and nobody can wait so long. So its parts are logged before its turn, out of everybody's sight, and in its turn
only those are looked at for whom others have decided since: what was logged for them is taken back and made anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Recommendation
from api.decisions.choosing import Deciding
from api.decisions.planned import Choice, expected_of, plan_part
from api.decisions.surveying import Outcome
from api.histories import read_history_of
from api.recommendations.champions import Champions
from api.recommendations.hours import window_from
from domain.contact_rules import Reachability
from domain.storage.decisions import NewDecision, Withdrawn, decided_by_others, log_decisions, withdraw
from domain.storage.reachability import reachability
from domain.storage.reads.portfolio import DebtorKey
from ml.frames import History

PART = 2_000

Clock = Callable[[], datetime]
Write = Callable[[Sequence[DebtorKey], Sequence[Recommendation], Sequence[NewDecision], Sequence[int]], None]
"""Takes a part of the plan: debtors, what was decided, as logged, and the decisions' ids, all in one order."""


@dataclass
class PlanLog:
    """Logs what a plan chose: `add` all of it, then `settle` in the tenant's turn.

    deciding: as surveyed. clock: each part is logged as of then, for what is left of the window; None: all as of the
    survey. choices, debtors: by debtor id. hold_out_share, kept_out_share: as `plan_part` has them.
    """

    champions: Champions
    tenant_id: int
    campaign_id: int
    deciding: Deciding
    clock: Clock | None
    choices: Mapping[int, Choice]
    debtors: Mapping[int, DebtorKey]
    hold_out_share: float
    kept_out_share: float
    write: Write | None
    outcome: Outcome = field(default_factory=Outcome)

    async def add(self, connection: AsyncConnection, ids: Sequence[int]) -> None:
        """Log what was chosen for some debtors, as far as it is lawful by now and they owe something."""
        deciding = as_of_now(self.deciding, self.clock)
        people, history = await read_debtors(connection, self.tenant_id, deciding, ids)
        work = partial(
            plan_part,
            deciding,
            history,
            people,
            self._choices(ids),
            hold_out_share=self.hold_out_share,
            kept_out_share=self.kept_out_share,
            campaign_id=self.campaign_id,
        )
        part = await self.champions.run(work)
        numbers = await log_decisions(connection, self.tenant_id, part.decisions)
        if self.write is not None:
            debtors = [self.debtors[one.debtor_id] for one in part.decisions]
            self.write(debtors, part.told, part.decisions, numbers)
        self.outcome.add(part)

    async def settle(self, connection: AsyncConnection, *, after: int) -> list[int]:
        """Log anew what others have decided on since decision `after`; answers the decisions that are withdrawn for it.

        Only in the tenant's turn: until its end nobody else decides.
        """
        others = await decided_by_others(connection, self.tenant_id, self.campaign_id, after=after)
        withdrawn: list[int] = []
        for some in parts_of(others):
            rows = await withdraw(connection, self.tenant_id, self.campaign_id, some)
            for as_of in sorted({row.decided_at for row in rows}):
                await self._forget(connection, as_of, [row for row in rows if row.decided_at == as_of])
            await self.add(connection, [row.debtor_id for row in rows])
            withdrawn += [row.id for row in rows]
        return withdrawn

    async def _forget(
        self, connection: AsyncConnection, as_of: datetime, withdrawn: Sequence[Withdrawn]
    ) -> None:
        """Take decisions that were logged as of an instant out of what the plan comes to."""
        ids = [row.debtor_id for row in withdrawn]
        deciding = as_of_now(self.deciding, lambda: as_of)
        history = await _history_of(connection, self.tenant_id, deciding, ids)
        work = partial(expected_of, deciding, history, self._choices(ids))
        self.outcome.take_out(withdrawn, await self.champions.run(work))

    def _choices(self, ids: Sequence[int]) -> dict[int, Choice]:
        return {debtor_id: self.choices[debtor_id] for debtor_id in ids}


def parts_of(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """So many debtors as are looked at together."""
    return (ids[start : start + PART] for start in range(0, len(ids), PART))


def as_of_now(deciding: Deciding, clock: Clock | None) -> Deciding:
    """By what is known now, and for what is left of the window."""
    if clock is None:
        return deciding
    now = max(deciding.as_of, clock())
    return replace(deciding, as_of=now, window=window_from(deciding.window, now))


async def read_debtors(
    connection: AsyncConnection, tenant_id: int, deciding: Deciding, ids: Sequence[int]
) -> tuple[dict[int, Reachability], History]:
    """What the contact rules and the model need to know of debtors, as of the decision."""
    people = await reachability(connection, tenant_id, ids, known=deciding.as_of, whenever_decided=True)
    return dict(people), await _history_of(connection, tenant_id, deciding, ids)


async def _history_of(
    connection: AsyncConnection, tenant_id: int, deciding: Deciding, ids: Sequence[int]
) -> History:
    return await read_history_of(
        connection, tenant_id, ids, as_of=deciding.as_of, attributes=deciding.champion.attributes
    )
