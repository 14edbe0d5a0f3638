"""Segments are decided for once and answered often: with the instants, sizes and models of each request."""

import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from api.answers import Recommendation, Window
from api.recommendations import segments
from api.recommendations.champions import Champions
from api.recommendations.instants import SegmentInstants
from api.recommendations.service import RecommendationService
from domain.contact_rules import Address, Reachability, next_lawful_instant, preset_for
from domain.kpis.messages import Weekday
from domain.storage.tables import debtor
from domain.vocabulary import Channel
from tests.api.learned import AS_OF, Learned

PLACES = (
    ("Europe/Madrid", (preset_for("ES", None),)),
    ("America/Chicago", (preset_for("US", None),)),
    ("Australia/Lord_Howe", (preset_for("AU", None),)),  # clocks that change by half an hour
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
def test_kept_instants_are_those_found_anew(place) -> None:
    """Through a year with both changes of clocks, asked in any order, again and again."""
    rng = random.Random(11)
    kept = SegmentInstants()
    starts = [AS_OF + timedelta(seconds=rng.randrange(300 * 86_400)) for _ in range(60)]
    nearby = [start + timedelta(minutes=rng.randrange(-90, 600)) for start in starts]
    slots = [(rng.choice(list(Channel)), rng.randrange(7) * 24 + rng.randrange(8, 21)) for _ in range(12)]
    for after in rng.sample([*starts, *nearby], 120):
        before = rng.choice([None, after + timedelta(hours=rng.randrange(1, 200))])
        anybody = Reachability(
            place[0], tuple(Address(each, consented_at=after) for each in Channel), presets=place[1]
        )
        next_of = kept.at(place, after=after, before=before)
        for channel, hour in slots:
            expected = next_lawful_instant(after, *divmod(hour, 24), channel, anybody, before=before)
            assert next_of((channel, hour)) == expected


async def test_what_is_kept_is_what_is_computed(
    learned: Learned, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has answered much, and one that computes everything anew, say the same of any question."""
    monkeypatch.setattr(segments, "_ASKED", 2)
    rng = random.Random(5)
    often = RecommendationService(learned.database, champions)
    for turn in range(12):
        within = Window(AS_OF + timedelta(hours=turn), AS_OF + timedelta(hours=turn + rng.randrange(9, 60)))
        asked = {
            "within": rng.choice([None, None, within]),
            "channels": rng.choice([None, frozenset({Channel.EMAIL, Channel.VOICE})]),
            "as_of": AS_OF + timedelta(hours=rng.randrange(200)),
            "now": AS_OF,
        }
        keys = [
            each.segment.key for each in await often.for_segments(learned.tenant_id, segments=None, **asked)
        ]
        some = rng.sample(keys, rng.randrange(1, len(keys)))
        found = await often.for_segments(learned.tenant_id, segments=some, **asked)
        anew = await RecommendationService(learned.database, champions).for_segments(
            learned.tenant_id, segments=some, **asked
        )
        assert [each.segment for each in found] == [each.segment for each in anew]
        assert [each.advice.whole() for each in found] == [each.advice.whole() for each in anew]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("decided again")

    monkeypatch.setattr(segments, "segment_recommendations", fail)
    await often.for_segments(learned.tenant_id, segments=None, **asked)


async def test_hours_of_a_window_that_have_gone_by_are_not_recommended(
    learned: Learned, champions: Champions
) -> None:
    service = RecommendationService(learned.database, champions)
    week = Window(AS_OF - timedelta(days=5), AS_OF + timedelta(hours=30))  # AS_OF is a Friday's midnight

    async def advised(within: Window, as_of: datetime) -> list[Recommendation]:
        asked = {"segments": None, "channels": None, "now": AS_OF}
        found = await service.for_segments(learned.tenant_id, within=within, as_of=as_of, **asked)
        return [each.advice.whole() for each in found]

    left = await advised(week, AS_OF)
    assert left == await advised(Window(AS_OF, week.end), AS_OF)
    days = {action.weekday for one in left if one.best for action in (one.best, *one.alternatives)}
    assert days
    assert days <= {Weekday.FRIDAY, Weekday.SATURDAY}
    over = await advised(week, week.end + timedelta(hours=1))
    assert all(one.best is None for one in over)


async def test_sizes_are_those_of_the_instant(learned: Learned, champions: Champions) -> None:
    service = RecommendationService(learned.database, champions)
    asked = {"segments": None, "within": None, "channels": None, "as_of": AS_OF, "now": AS_OF}

    async def counted() -> dict[str, int]:
        found = await service.for_segments(learned.tenant_id, **asked)
        return {each.segment.key: each.segment.debtor_count for each in found}

    before = await counted()
    async with learned.database.transaction(learned.tenant_id) as connection:
        present = await connection.execute(
            text("SELECT segment_key, count(*) FROM debtor WHERE tenant_id = :tenant GROUP BY segment_key"),
            {"tenant": learned.tenant_id},
        )
        assert before == {key: count for key, count in present if key in before}
        moved = update(debtor).where(debtor.c.id == learned.ids[0])
        former = await connection.scalar(
            text("SELECT segment_key FROM debtor WHERE id = :id"), {"id": learned.ids[0]}
        )
        await connection.execute(moved.values(segment_key="ELSEWHERE"))
    after = await counted()
    assert after == before | {former: before[former] - 1, "ELSEWHERE": 1} or before[former] == 1
    async with learned.database.transaction(learned.tenant_id) as connection:
        await connection.execute(moved.values(segment_key=former))
    assert await counted() == before


async def test_instants_are_those_of_where_debtors_live_now(learned: Learned, champions: Champions) -> None:
    service = RecommendationService(learned.database, champions)
    asked = {"segments": None, "within": None, "channels": None, "as_of": AS_OF, "now": AS_OF}

    async def moved_to(zone: str, segment: str) -> None:
        async with learned.database.transaction(learned.tenant_id) as connection:
            await connection.execute(
                update(debtor).where(debtor.c.segment_key == segment).values(time_zone=zone)
            )

    before = await service.for_segments(learned.tenant_id, **asked)
    segment = next(each.segment.key for each in before if any(each.advice.send_at))
    async with learned.database.transaction(learned.tenant_id) as connection:
        (home,) = await connection.scalars(
            select(debtor.c.time_zone).where(debtor.c.segment_key == segment).distinct()
        )
    await moved_to("Australia/Lord_Howe", segment)
    try:
        after = await service.for_segments(learned.tenant_id, **asked)
        anew = await RecommendationService(learned.database, champions).for_segments(
            learned.tenant_id, **asked
        )
    finally:
        await moved_to(home, segment)
    sent = [{each.segment.key: each.advice.send_at for each in found} for found in (before, after, anew)]
    assert sent[1] == sent[2]
    assert {key for key in sent[0] if sent[0][key] != sent[1][key]} == {segment}
