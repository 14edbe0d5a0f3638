"""What is remembered of counted days: bounded, and never an answer of former days or of somebody else's."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from domain.kpis.requests import ALL_FIGURES, MessageDimension, MessageFigures, MessageKpiWhere
from domain.storage.kpis.messages import message_kpis
from domain.storage.rollups import answering, rolled
from domain.storage.rollups.answered import Answered, Asked
from domain.storage.rollups.answering import CatchUp, current_message_kpis
from domain.storage.rollups.remembered import Remembered
from tests.api.graphql.test_query_counts import direct_statements, statements
from tests.domain.storage.rollups.rollups import WINTER, assert_alike, refresh
from tests.domain.storage.rollups.test_rollups import compare, settled_facts
from tests.facts import NOW, merge_facts, row

BY_DAY = {"period": WINTER, "by": [MessageDimension.CHANNEL, MessageDimension.DAY], "as_of": NOW}


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2000)), max_size=40), st.integers(0, 6000)
)
def test_as_much_as_fits_is_kept_of_the_latest(asked, most) -> None:
    remembered, latest = Remembered(most), {}
    for name, size in asked:
        remembered.put(name, {"column": bytes(size)})
        latest[name] = {"column": bytes(size)}
        assert remembered.bytes_held <= most
        assert remembered.get(name) == (latest[name] if size + 600 <= most else None)
    kept = {name: remembered.get(name) for name in latest}
    assert all(found in (None, latest[name]) for name, found in kept.items())
    assert remembered.bytes_held == sum(len(found["column"]) + 600 for found in kept.values() if found)


def test_what_was_asked_for_lately_is_kept_longer() -> None:
    remembered = Remembered(1500)
    remembered.put("a", {})
    remembered.put("b", {})
    assert remembered.get("a") == {}
    remembered.put("c", {})
    assert (remembered.get("a"), remembered.get("b")) == ({}, None)


async def test_days_are_read_once_and_again_when_they_were_counted_again(
    database, tenant_id, monkeypatch
) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    read = []

    async def noted(*asked):
        read.append(asked[2])
        return await reading(*asked)

    reading = rolled._read
    monkeypatch.setattr(rolled, "_read", noted)
    for _ in range(2):
        await compare(database, tenant_id, **BY_DAY)
    assert [len(days) for days in read] == [20]
    late = row("events", reference="LATE", kind="CLICKED", communication="C3")
    await merge_facts(database, tenant_id, {"events": [late | {"occurred_at": "2026-02-25T10:00:00Z"}]})
    await compare(database, tenant_id, **BY_DAY)  # of a dirty day, from the facts
    (day,) = await refresh(database, tenant_id)
    await compare(database, tenant_id, **BY_DAY)
    assert read[1:] == [[day]]


async def test_other_figures_of_days_are_read_besides(database, tenant_id) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    for by in ([MessageDimension.DAY], [], [MessageDimension.WEEK]):
        for figures in (
            MessageFigures(money=False, reactions=False, medians=False),
            MessageFigures(money=True, reactions=True, medians=False),
            ALL_FIGURES,
        ):
            request = {"period": WINTER, "by": by, "as_of": NOW, "figures": figures}
            first = await current_message_kpis(database, tenant_id, **request)
            again = await current_message_kpis(database, tenant_id, **request)
            assert list(first) == list(again)
        await compare(database, tenant_id, period=WINTER, by=by, as_of=NOW)


@pytest.mark.parametrize("most", [0, 1500])
async def test_answers_are_the_same_where_nothing_can_be_remembered(
    database, tenant_id, monkeypatch, most
) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    monkeypatch.setattr(rolled, "_REMEMBERED", Remembered(most))
    for _ in range(2):
        await compare(database, tenant_id, **BY_DAY)


async def test_tenants_with_the_same_facts_are_answered_their_own(database, new_tenant) -> None:
    one, other = new_tenant(), new_tenant()
    for tenant_id in (one, other):
        await merge_facts(database, tenant_id, settled_facts())
        await refresh(database, tenant_id)
    before = await current_message_kpis(database, one, **BY_DAY)
    await merge_facts(
        database, other, {"events": [row("events", reference="OTHER", kind="CLICKED", communication="C3")]}
    )
    await refresh(database, other)
    await compare(database, other, **BY_DAY)
    assert_alike(await current_message_kpis(database, one, **BY_DAY), before)


@pytest.mark.parametrize("by", [[], [MessageDimension.MONTH, MessageDimension.CHANNEL]])
async def test_months_are_put_together_once(database, tenant_id, monkeypatch, by) -> None:
    """Whole months are told as by their days; when one of these is counted again they are put together anew."""
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    monkeypatch.setattr(answering, "_ANSWERED", Answered(0))
    request = {"period": WINTER, "by": by, "as_of": NOW}
    figures = MessageFigures(medians=False)
    with monkeypatch.context() as patched:
        patched.setattr(rolled.Rollup, "_is_whole", lambda *_: False)
        of_days = await current_message_kpis(database, tenant_id, **request, figures=figures)
    folded = []

    def noted(*parts):
        folded.append(parts)
        return folding(*parts)

    folding = rolled.fold
    monkeypatch.setattr(rolled, "fold", noted)
    for _ in range(2):
        assert list(await current_message_kpis(database, tenant_id, **request, figures=figures)) == list(
            of_days
        )
    assert len(folded) == 1
    late = row("events", reference="LATE", kind="CLICKED", communication="C3")
    await merge_facts(database, tenant_id, {"events": [late | {"occurred_at": "2026-02-25T10:00:00Z"}]})
    await refresh(database, tenant_id)
    (clicked,) = await current_message_kpis(database, tenant_id, **request, figures=figures)
    assert (clicked.clicked, clicked.sent, len(folded)) == (1, 20, 2)


async def test_what_is_remembered_takes_one_statement_and_no_more(database, tenant_id, monkeypatch) -> None:
    """Until a fact has come, derived columns are behind, or it is asked about the past: then the others as well."""
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    called = []

    async def bring() -> None:
        called.append(len(others))

    async def become_due(at) -> None:
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text("UPDATE debtor SET state_until = :at"), {"at": at})

    async def ask(**changes):
        for seen in (direct, others, called):
            seen.clear()
        request = BY_DAY | changes
        found = await current_message_kpis(database, tenant_id, catch_up=CatchUp(NOW, bring), **request)
        seen = (len(direct), len(called), bool(others))
        async with database.snapshot(tenant_id) as connection:
            assert_alike(found, await message_kpis(connection, tenant_id, **request))
        return seen

    with direct_statements(monkeypatch) as direct, statements(database, all_of_them=True) as others:
        assert await ask() == (1, 1, True)  # nothing is remembered yet
        assert await ask() == (1, 0, False)
        assert await ask(by=[MessageDimension.CHANNEL]) == (1, 0, False)
        assert await ask(as_of=NOW.replace(month=2, day=1)) == (1, 1, True)
        await become_due(NOW)
        assert await ask() == (1, 1, True)
        await become_due(None)
        assert await ask() == (1, 0, False)
        late = row("events", reference="LATE", kind="CLICKED", communication="C3")
        await merge_facts(database, tenant_id, {"events": [late | {"occurred_at": "2026-02-25T10:00:00Z"}]})
        assert await ask() == (1, 1, True)
        await refresh(database, tenant_id)
        assert await ask() == (1, 1, True)
        assert await ask() == (1, 0, False)


async def test_an_answer_is_remembered_whole_until_a_day_is_counted_again(database, tenant_id) -> None:
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    request = BY_DAY | {"figures": MessageFigures(medians=False)}
    first = await current_message_kpis(database, tenant_id, **request)
    much_later = request | {"as_of": NOW.replace(year=NOW.year + 5)}
    assert await current_message_kpis(database, tenant_id, **much_later) is first
    fewer = request | {"figures": MessageFigures(money=False, reactions=False, medians=False)}
    assert await current_message_kpis(database, tenant_id, **fewer) is not first
    late = row("events", reference="LATE", kind="CLICKED", communication="C3")
    await merge_facts(database, tenant_id, {"events": [late | {"occurred_at": "2026-02-25T10:00:00Z"}]})
    await refresh(database, tenant_id)
    again = await current_message_kpis(database, tenant_id, **request)
    assert sum(each.clicked for each in again) == sum(each.clicked for each in first) + 1


async def test_medians_are_told_anew_as_time_passes(database, tenant_id) -> None:
    """Whoever has not reacted has been waited for longer, so many instants later; facts are as they were."""
    await merge_facts(database, tenant_id, settled_facts())
    await refresh(database, tenant_id)
    found = []
    for minutes in range(0, 20_000, 97):
        request = {
            "period": WINTER,
            "by": [MessageDimension.CHANNEL],
            "as_of": NOW + timedelta(minutes=minutes),
        }
        found.append(await current_message_kpis(database, tenant_id, **request))
        async with database.snapshot(tenant_id) as connection:
            assert_alike(found[-1], await message_kpis(connection, tenant_id, **request))
    assert len(set(map(id, found))) < len(found)


def asked(name: str) -> Asked:
    return Asked(1, (), MessageKpiWhere(), ALL_FIGURES, ((NOW.date(), name),))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 3_000)), max_size=40))
def test_answers_and_what_was_made_of_them_take_bounded_memory(put) -> None:
    answered, latest = Answered(20_000), {}
    for name, rows, length in put:
        latest[name] = answered.put(asked(name), [0] * rows, since=NOW, until=NOW + timedelta(1))
        assert answered.bytes_held <= 20_000
        assert answered.get(asked(name), as_of=NOW) is latest[name]
        latest[name].made("json", lambda length=length: bytes(length))
    for name, rows in latest.items():
        assert answered.get(asked(name), as_of=NOW) in (None, rows)


def test_an_answer_holds_from_its_instant_until_the_one_that_is_said() -> None:
    answered, later = Answered(20_000), NOW + timedelta(hours=1)
    rows = answered.put(asked("a"), [0], since=NOW, until=later)
    instants = [NOW - timedelta(1), NOW, later - timedelta(seconds=1), later]
    assert [answered.get(asked("a"), as_of=at) for at in instants] == [None, rows, rows, None]
    assert answered.get(asked("b"), as_of=NOW) is None
    assert list(answered.put(asked("c"), [0] * 100, since=NOW, until=later)) == [0] * 100
    assert answered.get(asked("c"), as_of=NOW) is None, "one that leaves no room for others"
