"""Campaigns: survey every debtor's options part by part, solve for the best plan, log it as decisions."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Failure, Recommendation
from api.decisions.choosing import Deciding
from api.decisions.planned import Choice, plan_part, survey_part
from api.decisions.requests import CampaignRequest, days_of, misplaced_window
from api.decisions.service import new_seed
from api.decisions.surveying import Outcome, Survey, solve, why_empty
from api.histories import read_history_of
from api.recommendations.champions import Champion, Champions, names_of
from api.recommendations.hours import window_from
from api.recommendations.translation import why_no_model
from domain.audit import Signature
from domain.contact_rules import Reachability
from domain.decision_settings import is_held_out
from domain.storage.audit import record
from domain.storage.campaigns import NewCampaign, Planned, begin_campaign, finish_campaign
from domain.storage.decisions import NewDecision, deciding_alone, log_decisions
from domain.storage.derived.settings import decision_settings
from domain.storage.history import currency_and_rates
from domain.storage.models import champion as present_champion
from domain.storage.reachability import reachability
from domain.storage.reads.portfolio import DebtorKey, count_debtors, debtors_after
from domain.storage.sessions import Database
from domain.storage.stored_debtor import debtor_condition
from ml.exploration import RECOMMENDED
from ml.frames import History
from ml.options import segment_ranking
from ml.planning import Limits

PART = 2_000

Progress = Callable[[str, float], None]
Write = Callable[[Sequence[DebtorKey], Sequence[Recommendation], Sequence[NewDecision], Sequence[int]], None]
"""Takes a part of the plan: debtors, what was decided, as logged, and the decisions' ids, all in one order."""


class CampaignService:
    """`api.services.Campaigns`."""

    def __init__(
        self, database: Database, champions: Champions, *, seeds: Callable[[], int] = new_seed
    ) -> None:
        self._database = database
        self._champions = champions
        self._seeds = seeds
        # Who surveys a portfolio keeps a connection meanwhile; the others are for everybody else.
        self._places = asyncio.Semaphore(max(1, database.pool_size * 2 // 5))

    async def plan(
        self,
        tenant_id: int,
        request: CampaignRequest,
        *,
        as_of: datetime,
        by: Signature,
        clock: Callable[[], datetime] | None = None,
        progress: Progress | None = None,
        write: Write | None = None,
        written: Callable[[], None] | None = None,
    ) -> int | Failure:
        """Plan a campaign, log it, and answer its id. All of it is stored, or nothing.

        clock: where `as_of` is now. Surveying many debtors takes a while: what becomes known meanwhile is heeded when
        the plan is logged, as of then. None: nothing later than `as_of` is seen.
        written: called when `write` has taken all, before anything is stored; what it raises leaves nothing.

        Failure: BAD_USER_INPUT, WINDOW_IS_PAST, WINDOW_TOO_FAR, WINDOW_TOO_LONG, NO_MODEL,
        NO_EXCHANGE_RATE.
        """
        problem = request.problem(as_of)
        if problem is not None:
            return problem
        champion = await self._champions.deciding(tenant_id, as_of=as_of)
        if champion is None:
            return await self._no_model(tenant_id, as_of)
        async with self._database.turn("plan", tenant_id), self._places:
            planning = _Planning(self._champions, tenant_id, request, progress, write)
            deciding = await self._deciding(tenant_id, champion, request, as_of)
            async with self._database.transaction(tenant_id) as connection:
                limits = request.limits(*await currency_and_rates(connection, tenant_id, as_of))
                if isinstance(limits, Failure):
                    return limits
                kept_out = (await decision_settings(connection, tenant_id)).hold_out_share
                survey = await planning.survey(connection, deciding, kept_out)
            choices = await planning.solve(deciding, survey, limits)
            async with deciding_alone(self._database, tenant_id) as connection:
                deciding = _as_of_now(deciding, request, clock)  # whoever else decides may have taken a while
                problem = misplaced_window(request.within, deciding.as_of)
                if problem is not None:
                    return problem
                campaign_id = await planning.log(connection, deciding, survey, choices)
                await record(connection, tenant_id, by, "planCampaign", nodes=[("Campaign", campaign_id)])
                if written is not None:
                    written()
            return campaign_id

    async def _no_model(self, tenant_id: int, as_of: datetime) -> Failure:
        async with self._database.transaction(tenant_id) as connection:
            latest = await present_champion(connection, tenant_id)
        return Failure("NO_MODEL", why_no_model(as_of, is_past=latest is not None))

    async def _deciding(
        self, tenant_id: int, champion: Champion, request: CampaignRequest, as_of: datetime
    ) -> Deciding:
        return Deciding(
            champion,
            await self._champions.plan(tenant_id, champion, request.channels),
            window_from(request.within, as_of),
            request.channels,
            as_of,
            RECOMMENDED,
            self._seeds(),
        )


def _as_of_now(
    deciding: Deciding, request: CampaignRequest, clock: Callable[[], datetime] | None
) -> Deciding:
    """By what is known now, and for what is left of the window."""
    if clock is None:
        return deciding
    now = max(deciding.as_of, clock())
    return replace(deciding, as_of=now, window=window_from(request.within, now))


@dataclass(frozen=True)
class _Planning:
    """One planning: reads the portfolio twice, part by part, so that memory holds a part and a small table.

    Whoever decides for single debtors waits for the log alone, not for the survey and the solution; so the log looks
    again at what the rules allow and at who still owes something.
    """

    champions: Champions
    tenant_id: int
    request: CampaignRequest
    progress: Progress | None
    write: Write | None

    def show(self, stage: str, share: float) -> None:
        """Tell how far it is."""
        if self.progress is not None:
            self.progress(stage, share)

    async def survey(self, connection: AsyncConnection, deciding: Deciding, kept_out: float) -> Survey:
        """The options of all debtors asked for, but of the share whom no decision of the tenant may contact."""
        where, days = self._where(deciding.as_of), days_of(deciding.window)
        total = await count_debtors(connection, self.tenant_id, where=where)
        names = names_of(self.request.channels)
        ranking = await self.champions.run(lambda: segment_ranking(deciding.champion.model, names))
        survey, last = Survey(kept_out), 0
        while True:
            page = await debtors_after(connection, self.tenant_id, last, limit=PART, where=where)
            if not page:
                return survey
            last = page[-1].id
            part = [debtor for debtor in page if not is_held_out(self.tenant_id, debtor.id, kept_out)]
            if not part:
                continue
            ids = [debtor.id for debtor in part]
            people, history = await self._read(connection, deciding, ids)
            work = partial(survey_part, deciding, history, people, ids, days=days, ranking=ranking)
            survey.add(part, await self.champions.run(work))
            self.show(f"{survey.count:,} of {total:,}", 0.5 * survey.count / max(total, survey.count))

    async def solve(self, deciding: Deciding, survey: Survey, limits: Limits) -> dict[int, Choice]:
        """What the best plan within the limits does, by debtor id."""
        self.show("solving", 0.5)
        days = days_of(deciding.window)
        return await self.champions.run(partial(solve, survey, deciding, limits, self.request, days))

    async def log(
        self, connection: AsyncConnection, deciding: Deciding, survey: Survey, choices: dict[int, Choice]
    ) -> int:
        """Log the campaign and its decisions, part by part; answers its id."""
        campaign_id = await begin_campaign(connection, self.tenant_id, self._new(deciding))
        outcome, chosen = Outcome(), list(choices.items())
        debtors = {debtor.id: debtor for debtor in survey.debtors}
        for start in range(0, len(chosen), PART):
            some = dict(chosen[start : start + PART])
            people, history = await self._read(connection, deciding, list(some))
            work = partial(
                plan_part,
                deciding,
                history,
                people,
                some,
                hold_out_share=self.request.hold_out_share,
                kept_out_share=survey.kept_out,
                campaign_id=campaign_id,
            )
            part = await self.champions.run(work)
            numbers = await log_decisions(connection, self.tenant_id, part.decisions)
            if self.write is not None:
                self.write(
                    [debtors[one.debtor_id] for one in part.decisions], part.told, part.decisions, numbers
                )
            outcome.add(part)
            self.show(f"{start + len(some):,} of {len(chosen):,}", 0.5 + 0.5 * start / len(chosen))
        planned = Planned(
            outcome.planned,
            outcome.held_out,
            survey.blocked,
            outcome.by_channel,
            outcome.expected(why_empty(survey, self.request, len(choices))),
        )
        await finish_campaign(connection, self.tenant_id, campaign_id, planned)
        return campaign_id

    def _where(self, as_of: datetime) -> ColumnElement[bool] | None:
        where = self.request.where
        return None if where is None else debtor_condition(where, now=as_of)

    async def _read(
        self, connection: AsyncConnection, deciding: Deciding, ids: Sequence[int]
    ) -> tuple[dict[int, Reachability], History]:
        people = await reachability(
            connection, self.tenant_id, ids, known=deciding.as_of, whenever_decided=True
        )
        history = await read_history_of(
            connection,
            self.tenant_id,
            ids,
            as_of=deciding.as_of,
            attributes=deciding.champion.attributes,
        )
        return dict(people), history

    def _new(self, deciding: Deciding) -> NewCampaign:
        return NewCampaign(
            name=self.request.name.strip(),
            request=self.request.asked,
            model_version_id=deciding.champion.version_id,
            planned_at=deciding.as_of,
            starts_at=self.request.within.start,
            ends_at=self.request.within.end,
        )
