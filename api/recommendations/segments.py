"""Next best actions of segments: each decided once per model, choice of channels and hours left, then kept."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api import answers
from api.answers import DatedRecommendation, SegmentAdvice, Window
from api.recommendations import translation
from api.recommendations.champions import Champions
from api.recommendations.hours import Hours, hours_of_segments
from api.recommendations.instants import SegmentInstants, Slot, only_place
from domain.kpis.messages import Weekday
from domain.storage.models import ModelStamp
from domain.storage.reads.segment_grounds import SegmentGround
from domain.storage.reads.segments import SegmentRow
from domain.vocabulary import Channel
from ml.decisions import segment_recommendations

#: Some ten kilobytes each.
_KEPT = 4_000
_WEEKDAYS = list(Weekday)

_Key = tuple[int, int, frozenset[Channel] | None, str, bytes | None]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What lasts of a segment's recommendation, and the slots of its actions in order."""

    lasting: answers.Recommendation
    slots: tuple[Slot, ...]


class SegmentDecisions:
    """What the models say of segments, kept; and when it could be done."""

    def __init__(self, champions: Champions) -> None:
        self._champions = champions
        self._decided: OrderedDict[_Key, _Decided] = OrderedDict()
        self._instants = SegmentInstants()

    async def advise(
        self,
        tenant_id: int,
        ground: SegmentGround,
        version: ModelStamp,
        wanted: Sequence[SegmentRow],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> list[SegmentAdvice]:
        """Advice for each of the segments, by a version of the tenant's.

        Raises:
            ArtefactError: see `Champions.model`.
        """
        masks = hours_of_segments(ground.places, [segment.key for segment in wanted], within)
        keys: dict[str, _Key] = {}
        for segment in wanted:
            mask = masks.get(segment.key)
            hours = None if mask is None else mask.tobytes()
            keys[segment.key] = (tenant_id, version.id, channels, segment.key, hours)
        decided = await self._decide(keys, version, masks, as_of)
        after = as_of if within is None else max(as_of, within.start)
        before = None if within is None else within.end
        # A place takes long to be looked up by what it is, and all segments of a ground share theirs.
        dates: dict[int, Callable[[Slot], datetime | None]] = {id(None): _never}
        found = []
        for segment in wanted:
            of = decided[segment.key]
            place = only_place(ground.places.get(segment.key, ()))
            if id(place) not in dates and place is not None:
                dates[id(place)] = self._instants.at(place, after=after, before=before)
            send_at = tuple(map(dates[id(place)], of.slots))
            found.append(SegmentAdvice(segment, DatedRecommendation(of.lasting, send_at)))
        return found

    async def _decide(
        self, keys: Mapping[str, _Key], version: ModelStamp, masks: Mapping[str, Hours], as_of: datetime
    ) -> dict[str, _Decided]:
        """By segment; those not decided yet are computed together in a scoring thread."""
        decided = {segment: self._decided.get(key) for segment, key in keys.items()}
        missing = [segment for segment, found in decided.items() if found is None]
        if missing:
            tenant_id, _, channels, *_ = keys[missing[0]]
            model = await self._champions.model(tenant_id, version.id)
            names = None if channels is None else sorted(channel.value for channel in channels)
            answered = await self._champions.run(
                lambda: segment_recommendations(
                    model, now=as_of, segments=missing, channels=names, masks=masks
                )
            )
            for answer in answered:
                lasting = translation.for_segment(answer.recommendation, version)
                decided[answer.segment] = _Decided(lasting, _slots(lasting))
        for segment, key in keys.items():
            found = decided[segment]
            if found is not None:
                self._decided[key] = found
                self._decided.move_to_end(key)
        while len(self._decided) > _KEPT:
            self._decided.popitem(last=False)
        return {segment: found for segment, found in decided.items() if found is not None}


def _never(_: Slot) -> None:
    """When an action for debtors in several places could be carried out: there is no telling."""


def _slots(recommendation: answers.Recommendation) -> tuple[Slot, ...]:
    best = () if recommendation.best is None else (recommendation.best,)
    return tuple(
        (action.channel, _WEEKDAYS.index(action.weekday) * 24 + action.hour)
        for action in (*best, *recommendation.alternatives)
    )
