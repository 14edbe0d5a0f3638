"""Next best actions of segments: each decided once per model, choice of channels and hours left, then kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api import answers
from api.answers import DatedRecommendation, SegmentAdvice, Window
from api.recommendations import translation
from api.recommendations.champions import Champions, names_of
from api.recommendations.hours import hours_of_segments, window_from
from api.recommendations.instants import SegmentInstants, Slot, only_place
from domain.contact_rules.local_clock import whole_quarter
from domain.kpis.messages import Weekday
from domain.latest import Latest
from domain.storage.models import ModelStamp
from domain.storage.reads.segment_grounds import Place, SegmentGround
from domain.storage.reads.segments import SegmentRow
from domain.vocabulary import Channel
from ml.decisions import segment_recommendations

#: Some ten kilobytes each.
_KEPT = 4_000
#: So many questions, for each of which references to the kept are at hand.
_ASKED = 64
_WEEKDAYS = list(Weekday)

_Key = tuple[int, int, frozenset[Channel] | None, str, bytes | None]


@dataclass(frozen=True, slots=True)
class _Question:
    """All that decides but the segment. within: what is left of the window asked for."""

    tenant_id: int
    ground: SegmentGround
    version: ModelStamp
    channels: frozenset[Channel] | None
    within: Window | None


@dataclass(frozen=True, slots=True)
class _Decided:
    """What lasts of a segment's recommendation, and the slots of its actions in order."""

    lasting: answers.Recommendation
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class _Settled:
    """A segment's recommendation as long as its ground is the same. place: the one place of its debtors."""

    decided: _Decided
    place: Place | None


class SegmentDecisions:
    """What the models say of segments, kept; and when it could be done."""

    def __init__(self, champions: Champions) -> None:
        self._champions = champions
        self._decided: Latest[_Key, _Decided] = Latest(_KEPT)
        self._settled: Latest[_Question, dict[str, _Settled]] = Latest(_ASKED)
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
        left = None if within is None else window_from(within, as_of)
        question = _Question(tenant_id, ground, version, channels, _by_quarters(left))
        settled = await self._settle(question, [segment.key for segment in wanted], as_of)
        after, before = (as_of, None) if left is None else (left.start, left.end)
        # A place takes long to be looked up by what it is, and all segments of a ground share theirs.
        dates: dict[int, Callable[[Slot], datetime | None]] = {}
        found = []
        for segment in wanted:
            of = settled[segment.key]
            if of.place is None:
                send_at: tuple[datetime | None, ...] = (None,) * len(of.decided.slots)
            else:
                next_of = dates.get(id(of.place))
                if next_of is None:
                    next_of = dates[id(of.place)] = self._instants.at(of.place, after=after, before=before)
                send_at = tuple(map(next_of, of.decided.slots))
            found.append(SegmentAdvice(segment, DatedRecommendation(of.decided.lasting, send_at)))
        return found

    async def _settle(
        self, question: _Question, segments: Sequence[str], as_of: datetime
    ) -> Mapping[str, _Settled]:
        """By segment; those of them that nobody asked for on this ground are decided first."""
        settled = self._settled.get_or_make(question, dict)
        new = [segment for segment in segments if segment not in settled]
        if new:
            places = question.ground.places
            for segment, decided in (await self._decide(question, new, as_of)).items():
                settled[segment] = _Settled(decided, only_place(places.get(segment, ())))
        return settled

    async def _decide(
        self, question: _Question, segments: Sequence[str], as_of: datetime
    ) -> dict[str, _Decided]:
        """By segment; those not decided yet are computed together in a scoring thread."""
        tenant_id, version, channels = question.tenant_id, question.version, question.channels
        masks = hours_of_segments(question.ground.places, segments, question.within)
        keys: dict[str, _Key] = {}
        for segment in segments:
            mask = masks.get(segment)
            hours = None if mask is None else mask.tobytes()
            keys[segment] = (tenant_id, version.id, channels, segment, hours)
        decided = {segment: self._decided.get(key) for segment, key in keys.items()}
        missing = [segment for segment, found in decided.items() if found is None]
        if missing:
            model = await self._champions.model(tenant_id, version.id)
            names = names_of(channels)
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
                self._decided.keep(key, found)
        return {segment: found for segment, found in decided.items() if found is not None}


def _by_quarters(window: Window | None) -> Window | None:
    """One with the same local hours, that stays as it is for a quarter of an hour while the window goes by."""
    return None if window is None else Window(whole_quarter(window.start), window.end)


def _slots(recommendation: answers.Recommendation) -> tuple[Slot, ...]:
    best = () if recommendation.best is None else (recommendation.best,)
    return tuple(
        (action.channel, _WEEKDAYS.index(action.weekday) * 24 + action.hour)
        for action in (*best, *recommendation.alternatives)
    )
