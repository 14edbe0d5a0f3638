"""The law of the merge: the same facts in any order, split or repetition, by any number of writers, leave the same."""

import asyncio
import random
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from domain.import_format import FORMAT
from domain.storage.derived import catch_up, derive_everything
from domain.storage.derived.segment_sets import share_segments
from domain.vocabulary import EventKind
from tests.facts import NOW, merge_facts, row, stored

Facts = list[tuple[str, dict[str, str]]]

#: Later than every fact, so that all of them count.
INSTANTS = [f"2026-02-{day:02}T{hour:02}:30:00Z" for day in range(1, 20) for hour in (8, 12, 23)]


def random_facts(rng: random.Random, *, debtors: int = 4, children: int = 10) -> Facts:
    """A small portfolio with everything that merges interact on: shared instants, reversals, unknown parents."""
    facts: Facts = [("agents", row("agents", reference=f"G{at}")) for at in range(2)]
    facts += [("exchange_rates", row("exchange_rates", currency=currency)) for currency in ("USD", "DKK")]
    owner, currency, sent_to = {}, {}, {}
    for at in range(debtors):
        segment = rng.choice(["", "", "VIP"])
        zone = rng.choice(["Europe/Madrid", "America/Chicago", "Asia/Tokyo"])
        facts.append(("debtors", row("debtors", reference=f"D{at}", segment=segment, time_zone=zone)))
    for at in range(debtors + 2):
        owner[f"A{at}"], currency[f"A{at}"] = f"D{rng.randrange(debtors)}", rng.choice(["EUR", "USD"])
        account = row("accounts", reference=f"A{at}", debtor=owner[f"A{at}"], currency=currency[f"A{at}"])
        facts.append(("accounts", account | {"product": rng.choice(["CARD", "LOAN"]), "agent": "G1"}))
    for at in range(children):
        account = rng.choice(list(owner))
        sent_to[f"C{at}"] = owner[account]
        message = row(
            "communications", reference=f"C{at}", debtor=owner[account], account=rng.choice(["", account])
        )
        facts.append(
            ("communications", message | {"sent_at": rng.choice(INSTANTS), "cost": "0.1", "currency": "EUR"})
        )
    for at in range(children * 3):
        message = rng.choice(["", *sent_to])
        event = row("events", reference=f"E{at}", communication=message, occurred_at=rng.choice(INSTANTS))
        debtor = sent_to.get(message) or f"D{rng.randrange(debtors)}"
        kind, automated = rng.choice(list(EventKind)).value, rng.choice(["", "true", "false"])
        facts.append(("events", event | {"debtor": debtor, "kind": kind, "automated": automated}))
    for at in range(children):
        account = rng.choice(list(owner))
        cause = rng.choice(["", *(name for name, debtor in sent_to.items() if debtor == owner[account])])
        money = {
            "account": account,
            "amount": rng.choice(["30", "0.01", "70.5"]),
            "currency": currency[account],
        }
        payment = row(
            "payments", reference=f"P{at}", communication=cause, paid_at=rng.choice(INSTANTS), **money
        )
        facts.append(("payments", payment | {"reversed_at": rng.choice(["", "", "2026-03-01T00:00:00Z"])}))
        promise = row(
            "promises", reference=f"R{at}", promised_at=rng.choice(INSTANTS), due_on="2026-02-25", **money
        )
        facts.append(("promises", promise | {"agent": rng.choice(["", "G0"])}))
    facts.append(("payments", row("payments", reference="BAD", account="nobody's")))
    facts.append(("events", row("events", reference="BAD", debtor="nobody")))
    return facts


def as_data_set(facts: Facts) -> dict[str, list[dict[str, str]]]:
    tables = defaultdict(list)
    for table, fact in facts:
        tables[table].append(fact)
    return dict(tables)


def split_parents_first(facts: Facts, rng: random.Random, parts: int) -> list[Facts]:
    """Each fact in a part not before those of the rows it refers to; some again in later parts; all shuffled."""
    parts_of: dict[tuple[str, str], int] = {}
    split: list[Facts] = [[] for _ in range(parts)]
    for table, fact in facts:  # made parents first
        parents = [
            parts_of.get((column.parent, fact.get(column.name, "")), 0)
            for column in FORMAT[table].columns
            if column.parent
        ]
        part = rng.randrange(max(parents, default=0), parts)
        parts_of[table, fact.get("reference", "")] = part
        split[part].append((table, fact))
        for later in range(part, parts):
            if rng.random() < 0.2:
                split[later].append((table, fact))
    for part_facts in split:
        rng.shuffle(part_facts)
    return split


async def settled(database, tenant_id):
    """What is stored once debtors that wait for new default segments have followed."""
    async with database.transaction(tenant_id) as connection:
        await catch_up(connection, tenant_id, now=NOW)
    return await stored(database, tenant_id)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), parts=st.integers(1, 4))
async def test_any_shuffle_split_and_repetition_leaves_the_same(database, new_tenant, seed, parts):
    rng = random.Random(seed)
    facts = random_facts(rng)
    at_once, in_parts = new_tenant(), new_tenant()
    report, _ = await merge_facts(database, at_once, as_data_set(facts))
    assert report.rejected == 2
    for part in split_parents_first(facts, rng, parts):
        await merge_facts(database, in_parts, as_data_set(part))
    assert await settled(database, in_parts) == await settled(database, at_once)


@pytest.mark.parametrize("seed", [3, 4])
async def test_events_that_come_alone_and_late_leave_the_same(database, new_tenant, seed):
    rng = random.Random(seed)
    facts = random_facts(rng, debtors=6, children=30)
    at_once, in_parts = new_tenant(), new_tenant()
    await merge_facts(database, at_once, as_data_set(facts))
    events = [fact for fact in facts if fact[0] == "events"]
    await merge_facts(database, in_parts, as_data_set([fact for fact in facts if fact[0] != "events"]))
    rng.shuffle(events)
    for part in (events[:20], events[10:50], events):
        await merge_facts(database, in_parts, as_data_set(part))
    found = await settled(database, in_parts)
    assert found == await settled(database, at_once)
    assert any(payment["attributed_to"] for payment in found["payment"])


@pytest.mark.parametrize("seed", [1, 2])
async def test_four_writers_at_once_lose_nothing_and_count_nothing_twice(database, new_tenant, seed):
    rng = random.Random(seed)
    facts = random_facts(rng, debtors=8, children=40)
    at_once, by_four = new_tenant(), new_tenant()
    await merge_facts(database, at_once, as_data_set(facts))

    async def write(parts: list[Facts]) -> None:
        for part in parts:
            await merge_facts(database, by_four, as_data_set(part))

    deadlocks = await deadlocks_so_far(database, by_four)
    await asyncio.gather(
        *(write(split_parents_first(facts, random.Random(seed * 10 + at), 4)) for at in range(4))
    )
    assert await settled(database, by_four) == await settled(database, at_once)
    assert await deadlocks_so_far(database, by_four) == deadlocks


async def test_writers_who_disagree_leave_the_word_of_one(database, tenant_id):
    """The same new references for different debtors, by four at once: each row is one of theirs, and all agrees."""
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors", reference=f"D{at}") for at in range(4)]}
    )

    async def write(writer: int) -> None:
        accounts = [row("accounts", reference=f"A{at}", debtor=f"D{writer}") for at in range(12)]
        random.Random(writer).shuffle(accounts)
        events = [row("events", reference=f"E{at}", debtor=f"D{writer}") for at in range(12)]
        await merge_facts(database, tenant_id, {"accounts": accounts, "events": events})

    deadlocks = await deadlocks_so_far(database, tenant_id)
    await asyncio.gather(*(write(writer) for writer in range(4)))
    found = await stored(database, tenant_id)
    assert sorted(one["reference"] for one in found["account"]) == sorted(f"A{at}" for at in range(12))
    assert len(found["event"]) == 12
    owed = defaultdict(int)
    for account in found["account"]:
        owed[account["debtor_id"]] += account["balance"]
    assert {one["debtor_id"]: one["balance"] for one in found["debtor_balance"]} == owed
    assert await deadlocks_so_far(database, tenant_id) == deadlocks


async def test_who_is_kept_from_finishing_gets_a_turn(database, tenant_id):
    """Sixteen who keep inventing the same accounts for different debtors all come through."""
    debtors = [row("debtors", reference=f"D{at}") for at in range(16)]
    await merge_facts(database, tenant_id, {"debtors": debtors, "accounts": [row("accounts", debtor="D0")]})

    async def write(writer: int) -> None:
        rng = random.Random(writer)
        for start in range(0, 40, 4):
            names = [f"A{at}" for at in range(start, start + 16)]
            owned = [row("accounts", reference=name, debtor=f"D{rng.randrange(16)}") for name in names]
            await merge_facts(database, tenant_id, {"accounts": rng.sample(owned, 8)})

    await asyncio.gather(*(write(writer) for writer in range(16)))
    await assert_nothing_left_to_derive(database, tenant_id)


async def test_a_row_that_came_meanwhile_is_not_written_before_its_owner_is_locked(database, tenant_id):
    """Else who holds the owner and who holds the row would wait for each other."""
    accounts = [row("accounts", reference=f"A{at}", debtor="D0") for at in range(12)]
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors", reference=name) for name in ("D0", "D1")]}
    )
    own_debtor = text("SELECT FROM debtor WHERE reference = :name FOR NO KEY UPDATE")
    move = text("UPDATE account SET product = 'LOAN' WHERE reference = ANY(:names)")
    async with database.transaction(tenant_id) as holder:
        async with database.transaction(tenant_id) as first:
            await first.execute(own_debtor, {"name": "D1"})
            late = asyncio.create_task(
                merge_facts(database, tenant_id, {"accounts": [one | {"debtor": "D1"} for one in accounts]})
            )
            await until_blocked_by(first)
            await merge_facts(database, tenant_id, {"accounts": accounts})
            await holder.execute(own_debtor, {"name": "D0"})
            await holder.execute(move, {"names": ["A5"]})
        await until_blocked_by(holder)
        await holder.execute(move, {"names": [one["reference"] for one in accounts]})
    await late
    found = await stored(database, tenant_id)
    assert {(one["debtor_id"], one["product"]) for one in found["account"]} == {("D1", "CARD")}


@pytest.mark.parametrize("seed", range(4))
async def test_writers_who_disagree_about_everything_never_wait_in_a_circle(database, tenant_id, seed):
    async def write(writer: int) -> None:
        rng = random.Random(seed * 10 + writer)
        facts = random_facts(rng, debtors=60, children=200)
        rng.shuffle(facts)
        for part in (facts[::2], facts):
            await merge_facts(database, tenant_id, as_data_set(part))

    deadlocks = await deadlocks_so_far(database, tenant_id)
    await asyncio.gather(*(write(writer) for writer in range(4)))
    assert await deadlocks_so_far(database, tenant_id) == deadlocks
    await assert_nothing_left_to_derive(database, tenant_id)


async def test_segments_follow_a_rate_that_came_while_others_were_writing(database, tenant_id):
    """Whoever brings what default segments rest on waits for those who have them, and holds up nobody meanwhile."""
    await merge_facts(
        database,
        tenant_id,
        {
            "debtors": [row("debtors"), row("debtors", reference="D2")],
            "accounts": [row("accounts", currency="USD")],
        },
    )
    async with database.transaction(tenant_id) as other:
        await share_segments(other, tenant_id)
        rate = {"debtors": [row("debtors", name="Bo")], "exchange_rates": [row("exchange_rates", rate="20")]}
        told = asyncio.create_task(merge_facts(database, tenant_id, rate))
        await until_blocked_by(other)
        await other.execute(text("SELECT FROM debtor FOR NO KEY UPDATE NOWAIT"))
    await told
    found = await assert_nothing_left_to_derive(database, tenant_id)
    assert {one["segment_key"] for one in found["debtor"]} == {"LATE-LARGE-CARD", "NONE"}


async def swapped_debts(database, tenant_id):
    """Two debtors with a message each, whose debts have gone to each other: their payments name the other's message."""
    debtors = ("D1", "D2")
    paid = row(
        "payments", reference="OWN", account="OWN", communication="CD1", paid_at="2026-02-05T10:00:00Z"
    )
    await merge_facts(
        database,
        tenant_id,
        {
            "debtors": [row("debtors", reference=name) for name in debtors],
            "accounts": [
                *(row("accounts", reference=f"A{name}", debtor=name) for name in debtors),
                row("accounts", reference="OWN"),
            ],
            "communications": [
                row("communications", reference=f"C{name}", debtor=name, sent_at="2026-02-01T22:00:00Z")
                for name in debtors
            ],
            "payments": [
                *(
                    row("payments", reference=f"P{name}", account=f"A{name}", communication=f"C{name}")
                    for name in debtors
                ),
                paid,
            ],
        },
    )
    swapped = [row("accounts", reference="AD1", debtor="D2"), row("accounts", reference="AD2", debtor="D1")]
    await merge_facts(database, tenant_id, {"accounts": swapped})


async def test_payments_of_swapped_debts_never_wait_in_a_circle_and_lose_nothing(database, tenant_id):
    """A payment that names a message of another debtor tells when that message converted: it is that debtor's too."""
    await swapped_debts(database, tenant_id)

    async def write(writer: int) -> None:
        rng = random.Random(writer)
        for _ in range(10):
            name = rng.choice(["PD1", "PD2", "OWN"])
            debtor = {"PD1": "D2", "PD2": "D1", "OWN": "D1"}[name]
            zone = rng.choice(["Asia/Tokyo", "America/Chicago"])
            told = {"reference": name, "account": f"A{name[1:]}" if name != "OWN" else name}
            told |= {
                "reversed_at": rng.choice([None, "2026-03-01T00:00:00Z"]),
                "amount": "10",
                "currency": "EUR",
            }
            told |= {"paid_at": f"2026-02-0{rng.randrange(2, 7)}T10:00:00Z"}
            moved = row("debtors", reference=debtor, time_zone=zone)
            await merge_facts(database, tenant_id, {"debtors": [moved], "payments": [told]}, items=True)

    deadlocks = await deadlocks_so_far(database, tenant_id)
    await asyncio.gather(*(write(writer) for writer in range(4)))
    assert await deadlocks_so_far(database, tenant_id) == deadlocks
    await assert_nothing_left_to_derive(database, tenant_id)


async def assert_nothing_left_to_derive(database, tenant_id):
    """Once settled, all that is derived is as it would be from nothing; answers what is stored."""
    found = await settled(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await derive_everything(connection, tenant_id, now=NOW)
    assert await stored(database, tenant_id) == found
    return found


async def until_blocked_by(connection):
    """Wait until somebody waits for what this connection's transaction has locked."""
    waiting = text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    )
    for _ in range(3_000):
        if await connection.scalar(waiting):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def deadlocks_so_far(database, tenant_id):
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        return await connection.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
