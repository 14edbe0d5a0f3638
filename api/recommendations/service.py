"""Next best actions of segments and debtors, by the deciding model; logs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from api.answers import DatedRecommendation, Recommendation, SegmentAdvice, Window
from api.histories import read_history_of
from api.recommendations import translation
from api.recommendations.champions import Champion, Champions, names_of
from api.recommendations.hours import hours_of_debtors, window_from
from api.recommendations.segments import SegmentDecisions
from domain.contact_rules import Reachability
from domain.storage.derived import catch_up
from domain.storage.models import champion as present_champion
from domain.storage.reachability import reachability
from domain.storage.reads.segment_grounds import SegmentGround, segment_ground
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from ml.actions import DebtorRecommendation
from ml.decisions import debtor_recommendations
from ml.frames import History
from ml.segment_plans import SegmentPlan
from ml.values import Ahead


class RecommendationService:
    """`api.services.Recommendations`: segments from a table made once per model, debtors from their own rows alone."""

    def __init__(self, database: Database, champions: Champions) -> None:
        self._database = database
        self._champions = champions
        self._segments = SegmentDecisions(champions)

    async def for_segments(
        self,
        tenant_id: int,
        *,
        segments: Sequence[str] | None,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
        now: datetime,
    ) -> Sequence[SegmentAdvice]:
        """Advice in the rules' order, over what is derived up to `now`; `segments` None: every one that has debtors."""
        ground = await self._ground(tenant_id, as_of, now)
        asked = None if segments is None else frozenset(segments)
        wanted = [
            segment
            for segment in ground.segments
            if (segment.debtor_count > 0 if asked is None else segment.key in asked)
        ]
        if ground.version is None:
            nothing = DatedRecommendation(translation.no_model(as_of, is_past=ground.has_champion), ())
            return [SegmentAdvice(segment, nothing) for segment in wanted]
        return await self._segments.advise(
            tenant_id, ground, ground.version, wanted, within=within, channels=channels, as_of=as_of
        )

    async def _ground(self, tenant_id: int, as_of: datetime, now: datetime) -> SegmentGround:
        found = await segment_ground(self._database, tenant_id, as_of=as_of, now=now)
        if found is None:
            async with self._database.transaction(tenant_id) as connection:
                await catch_up(connection, tenant_id, now=now)
            found = await segment_ground(self._database, tenant_id, as_of=as_of, now=None)
        if found is None:
            raise LookupError("the statement has always one row")
        return found

    async def for_debtors(
        self,
        tenant_id: int,
        debtor_ids: Sequence[int],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> Mapping[int, Recommendation]:
        """A recommendation for each debtor id asked (all belong to the tenant, at most 1,000)."""
        champion = await self._champions.deciding(tenant_id, as_of=as_of)
        async with self._database.reading(tenant_id) as connection:
            people = await reachability(connection, tenant_id, debtor_ids, known=as_of)
            history = (
                await read_history_of(
                    connection, tenant_id, debtor_ids, as_of=as_of, attributes=champion.attributes
                )
                if champion
                else None
            )
        if champion is None or history is None:
            nothing = await self._no_model(tenant_id, as_of)
            told = partial(_undecided, nothing, people, window_from(within, as_of), channels)
            return await self._champions.run(told)
        plan = await self._champions.plan(tenant_id, champion, channels)
        score = partial(
            decide, champion, history, people, plan, within=within, channels=channels, as_of=as_of
        )
        return await self._champions.run(score)

    async def _no_model(self, tenant_id: int, as_of: datetime) -> Recommendation:
        """Why nothing decides at `as_of`: no model at all, or none that knew no more than that."""
        async with self._database.transaction(tenant_id) as connection:
            latest = await present_champion(connection, tenant_id)
        return translation.no_model(as_of, is_past=latest is not None)


def _undecided(
    nothing: Recommendation,
    people: Mapping[int, Reachability],
    window: Window,
    channels: frozenset[Channel] | None,
) -> dict[int, Recommendation]:
    """Without a model: what is forbidden is known all the same."""
    return {
        key: replace(nothing, blocked_by=translation.standing_blocks(person, window, channels))
        for key, person in people.items()
    }


def decide(
    champion: Champion,
    history: History,
    people: Mapping[int, Reachability],
    plan: SegmentPlan,
    *,
    within: Window | None,
    channels: frozenset[Channel] | None,
    as_of: datetime,
) -> dict[int, Recommendation]:
    """Score debtors and put the answers into words; computing work, for a scoring thread.

    people: whom to decide for; each must be in the history. plan: `usual_plan` of the model and the channels.
    """
    ids = list(people)
    window = window_from(within, as_of)
    hours = hours_of_debtors([people[key] for key in ids], known=as_of, window=window)
    found: list[DebtorRecommendation] = debtor_recommendations(
        champion.model,
        history,
        ids,
        now=as_of,
        channels=names_of(channels),
        masks=hours,
        plan=plan,
        ahead=Ahead.of(window.start, window.end),
    )
    return {
        key: translation.for_debtor(answer.recommendation, champion.version_id, people[key], window, channels)
        for key, answer in zip(ids, found, strict=True)
    }
