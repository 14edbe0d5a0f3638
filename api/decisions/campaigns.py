"""Campaigns: survey every debtor's options part by part, solve for the best plan, log it as decisions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Failure
from api.decisions.choosing import Deciding
from api.decisions.plan_log import PART, Clock, PlanLog, Write, as_of_now, parts_of, read_debtors
from api.decisions.planned import Choice, survey_part
from api.decisions.requests import CampaignRequest, days_of, misplaced_window
from api.decisions.service import new_seed
from api.decisions.surveying import Outcome, Survey, solve, why_empty
from api.recommendations.champions import Champion, Champions, names_of
from api.recommendations.hours import window_from
from api.recommendations.translation import why_no_model
from domain.audit import Signature
from domain.decision_settings import is_held_out
from domain.storage.audit import record
from domain.storage.campaigns import NewCampaign, Planned, begin_campaign, finish_campaign
from domain.storage.decisions import latest_decision, plan_alone, turn_to_decide
from domain.storage.derived.settings import decision_settings
from domain.storage.history import currency_and_rates
from domain.storage.models import champion as present_champion
from domain.storage.reads.portfolio import count_debtors, debtors_after
from domain.storage.sessions import Database
from domain.storage.stored_debtor import debtor_condition
from ml.exploration import RECOMMENDED
from ml.options import segment_ranking
from ml.planning import Limits

Progress = Callable[[str, float], None]
Written = Callable[[Sequence[int]], None]
"""Takes the ids of decisions that were written and are none any more."""


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
        clock: Clock | None = None,
        progress: Progress | None = None,
        write: Write | None = None,
        written: Written | None = None,
    ) -> int | Failure:
        """Plan a campaign, log it, and answer its id. All of it is stored, or nothing.

        clock: where `as_of` is now. Surveying many debtors takes a while: what becomes known meanwhile is heeded when
        the plan is logged, part by part as of then. None: nothing later than `as_of` is seen.
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
            return await self._log(planning, deciding, survey, choices, clock, by, written)

    async def _log(
        self,
        planning: "_Planning",
        deciding: Deciding,
        survey: Survey,
        choices: Mapping[int, Choice],
        clock: Clock | None,
        by: Signature,
        written: Written | None,
    ) -> int | Failure:
        tenant_id, request = planning.tenant_id, planning.request
        latest = await latest_decision(self._database, tenant_id)
        async with self._database.transaction(tenant_id) as connection:
            await plan_alone(connection, tenant_id)
            deciding = as_of_now(deciding, clock)  # whoever else plans may have taken a while
            problem = misplaced_window(request.within, deciding.as_of)
            if problem is not None:
                return problem
            campaign_id = await begin_campaign(connection, tenant_id, _new(request, deciding))
            log = planning.log(deciding, clock, campaign_id, survey, choices)
            await planning.add_all(connection, log)
            async with turn_to_decide(self._database, connection, tenant_id):
                withdrawn = await log.settle(connection, after=latest)
                planned = planning.planned(survey, log.outcome, len(choices))
                await finish_campaign(connection, tenant_id, campaign_id, planned)
                await record(connection, tenant_id, by, "planCampaign", nodes=[("Campaign", campaign_id)])
                if written is not None:
                    written(withdrawn)
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


@dataclass(frozen=True)
class _Planning:
    """One planning: reads the portfolio twice, part by part, so that memory holds a part and a small table.

    Others decide meanwhile; so the log looks again at what the rules allow and at who still owes something.
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
            people, history = await read_debtors(connection, self.tenant_id, deciding, ids)
            work = partial(survey_part, deciding, history, people, ids, days=days, ranking=ranking)
            survey.add(part, await self.champions.run(work))
            self.show(f"{survey.count:,} of {total:,}", 0.5 * survey.count / max(total, survey.count))

    async def solve(self, deciding: Deciding, survey: Survey, limits: Limits) -> dict[int, Choice]:
        """What the best plan within the limits does, by debtor id."""
        self.show("solving", 0.5)
        days = days_of(deciding.window)
        return await self.champions.run(partial(solve, survey, deciding, limits, self.request, days))

    def log(
        self,
        deciding: Deciding,
        clock: Clock | None,
        campaign_id: int,
        survey: Survey,
        choices: Mapping[int, Choice],
    ) -> PlanLog:
        """Where the choices are to be logged."""
        return PlanLog(
            self.champions,
            self.tenant_id,
            campaign_id,
            deciding,
            clock,
            choices,
            {debtor.id: debtor for debtor in survey.debtors},
            self.request.hold_out_share,
            survey.kept_out,
            self.write,
        )

    async def add_all(self, connection: AsyncConnection, log: PlanLog) -> None:
        """Log all choices, part by part."""
        count = len(log.choices)
        for number, some in enumerate(parts_of(list(log.choices))):
            await log.add(connection, some)
            done = number * PART + len(some)
            self.show(f"{done:,} of {count:,}", 0.5 + 0.5 * number * PART / count)

    def planned(self, survey: Survey, outcome: Outcome, chosen: int) -> Planned:
        """What came out."""
        return Planned(
            outcome.planned,
            outcome.held_out,
            survey.blocked,
            outcome.by_channel,
            outcome.expected(why_empty(survey, self.request, chosen)),
        )

    def _where(self, as_of: datetime) -> ColumnElement[bool] | None:
        where = self.request.where
        return None if where is None else debtor_condition(where, now=as_of)


def _new(request: CampaignRequest, deciding: Deciding) -> NewCampaign:
    return NewCampaign(
        name=request.name.strip(),
        request=request.asked,
        model_version_id=deciding.champion.version_id,
        planned_at=deciding.as_of,
        starts_at=request.within.start,
        ends_at=request.within.end,
    )
