"""Next best actions of segments and debtors, by the deciding model; logs nothing."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from api.answers import Recommendation, Window
from api.histories import read_history_of
from api.recommendations import translation
from api.recommendations.champions import Champion, Champions, Choice
from api.recommendations.hours import Hours, Place, hours_of_debtors, hours_of_segments, window_from
from domain.contact_rules import Reachability
from domain.storage.models import champion as present_champion
from domain.storage.reachability import places_by_segment, reachability
from domain.storage.reads.segments import list_segments
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from ml.actions import DebtorRecommendation, SegmentRecommendation
from ml.decisions import debtor_recommendations, segment_recommendations
from ml.frames import History
from ml.segment_plans import SegmentPlan

_TABLES_KEPT = 64

#: By segment and the hours that its debtors' rules leave (None: all usual ones).
_Table = dict[tuple[str, bytes | None], SegmentRecommendation]


class RecommendationService:
    """`api.services.Recommendations`: segments from a table made once per model, debtors from their own rows alone."""

    def __init__(self, database: Database, champions: Champions) -> None:
        self._database = database
        self._champions = champions
        self._tables: OrderedDict[Choice, _Table] = OrderedDict()

    async def for_segments(
        self,
        tenant_id: int,
        *,
        segments: Sequence[str] | None,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> Sequence[tuple[str, Recommendation]]:
        """(segment key, recommendation) in the rules' order; `segments` None: every segment that has debtors."""
        champion = await self._champions.deciding(tenant_id, as_of=as_of)
        async with self._database.transaction(tenant_id) as connection:
            known = await list_segments(connection, tenant_id)
            places = await places_by_segment(connection, tenant_id)
        wanted = [
            segment.key
            for segment in known
            if (segment.debtor_count > 0 if segments is None else segment.key in segments)
        ]
        if champion is None:
            return [(key, await self._no_model(tenant_id, as_of)) for key in wanted]
        masks = hours_of_segments(places, wanted, within)
        found = await self._segment_answers(tenant_id, champion, wanted, masks, within, channels, as_of)
        after = as_of if within is None else max(as_of, within.start)
        return [
            (
                key,
                translation.for_segment(
                    found[key].recommendation,
                    champion.version.id,
                    place=_only(places.get(key, ())),
                    after=after,
                    before=within.end if within else None,
                ),
            )
            for key in wanted
        ]

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
        async with self._database.transaction(tenant_id) as connection:
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
            return dict.fromkeys(debtor_ids, nothing)
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

    async def _segment_answers(
        self,
        tenant_id: int,
        champion: Champion,
        wanted: Sequence[str],
        masks: Mapping[str, Hours],
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> dict[str, SegmentRecommendation]:
        """By segment; without a window each is made once per model, choice of channels and hours left."""
        keys = {segment: (segment, _hours_key(masks.get(segment))) for segment in wanted}
        choice = (tenant_id, champion.version.id, channels)
        table: _Table = {} if within is not None else self._tables.setdefault(choice, {})
        missing = [segment for segment in wanted if keys[segment] not in table]
        if missing:
            found = await self._champions.run(
                lambda: segment_recommendations(
                    champion.model, now=as_of, segments=missing, channels=_names(channels), masks=masks
                )
            )
            table.update({keys[answer.segment]: answer for answer in found})
        while len(self._tables) > _TABLES_KEPT:
            self._tables.popitem(last=False)
        return {segment: table[key] for segment, key in keys.items()}


def _hours_key(mask: Hours | None) -> bytes | None:
    return None if mask is None else mask.tobytes()


def _only(places: Iterable[Place]) -> Place | None:
    """The one place, None when there are none or several."""
    found = list(places)
    return found[0] if len(found) == 1 else None


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
        champion.model, history, ids, now=as_of, channels=_names(channels), masks=hours, plan=plan
    )
    return {
        key: translation.for_debtor(answer.recommendation, champion.version.id, people[key], window)
        for key, answer in zip(ids, found, strict=True)
    }


def _names(channels: frozenset[Channel] | None) -> list[str] | None:
    return None if channels is None else sorted(channel.value for channel in channels)
