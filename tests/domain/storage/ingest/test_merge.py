"""What a merge leaves behind: upserts, funnels, consequences, and how rows are counted."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from domain.storage.derived import catch_up, plans
from tests.facts import NOW, merge_facts, row, stored

EVERYTHING = {
    "agents": [row("agents")],
    "templates": [row("templates")],
    "exchange_rates": [row("exchange_rates")],
    "finance": [row("finance")],
    "debtors": [row("debtors"), row("debtors", reference="D2")],
    "accounts": [row("accounts", agent="G1"), row("accounts", reference="A2", debtor="D2")],
    "contact_points": [row("contact_points")],
    "contact_requests": [row("contact_requests")],
    "communications": [row("communications", account="A1", agent="G1")],
    "events": [row("events", communication="C1"), row("events", reference="E2", communication="")],
    "payments": [row("payments", communication="C1")],
    "promises": [row("promises", communication="C1", agent="G1")],
}


@pytest.fixture
async def portfolio(database, tenant_id):
    _, rejections = await merge_facts(database, tenant_id, EVERYTHING)
    assert rejections == []
    return tenant_id


async def only(database, tenant_id, table, **where):
    rows = (await stored(database, tenant_id))[table]
    (found,) = [one for one in rows if all(one[key] == value for key, value in where.items())]
    return found


async def test_every_table_comes_in_and_comes_again_as_duplicates(database, tenant_id):
    first, _ = await merge_facts(database, tenant_id, EVERYTHING)
    before = await stored(database, tenant_id)
    again, _ = await merge_facts(database, tenant_id, EVERYTHING)
    for name, rows in EVERYTHING.items():
        assert (first.tables[name].accepted, first.tables[name].duplicates) == (len(rows), 0)
        assert (again.tables[name].accepted, again.tables[name].duplicates) == (0, len(rows))
    assert await stored(database, tenant_id) == before
    assert list(first.tables) == [name for name in EVERYTHING if name in first.tables]


async def test_a_row_replaces_the_stored_one_an_empty_field_clears_an_absent_column_leaves(
    database, tenant_id
):
    full = row("debtors", email="a@example.org", phone="+34600000000", segment="VIP", x_a="1", x_b="2")
    await merge_facts(database, tenant_id, {"debtors": [full]})
    change = {"reference": "D1", "name": "Ana María", "country": "ES", "email": "", "x_a": "", "x_c": "3"}
    report, _ = await merge_facts(database, tenant_id, {"debtors": [change]})
    found = await only(database, tenant_id, "debtor")
    assert report.tables["debtors"].accepted == 1
    assert (found["name"], found["name_key"]) == ("Ana María", "ana maría")
    assert (found["email"], found["phone"], found["segment"]) == (None, "+34600000000", "VIP")
    assert found["attributes"] == {"x_b": "2", "x_c": "3"}


async def test_items_of_one_mutation_may_have_different_fields(database, portfolio):
    items = [
        {
            "reference": "A1",
            "debtor": "D1",
            "product": "LOAN",
            "currency": "EUR",
            "principal": Decimal("9.10"),
        },
        {
            "reference": "A2",
            "debtor": "D2",
            "product": "CARD",
            "currency": "EUR",
            "principal": "100",
            "agent": "G1",
        },
    ]
    items = [one | {"opened_on": date(2025, 10, 4), "due_on": date(2026, 1, 2)} for one in items]
    items[0]["attributes"] = {"x_score": 3}
    await merge_facts(database, portfolio, {"accounts": items}, items=True)
    first = await only(database, portfolio, "account", reference="A1")
    second = await only(database, portfolio, "account", reference="A2")
    assert (first["product"], first["principal"], first["agent_id"]) == ("LOAN", Decimal("9.1"), "G1")
    assert first["attributes"] == {"x_score": 3}
    assert second["agent_id"] == "G1"


async def test_money_is_kept_exactly(database, portfolio):
    amounts = ["0.1", "0." + "0" * 29 + "1", "999999999999999." + "9" * 30, "12.50"]
    rows = [row("payments", reference=f"M{at}", amount=amount) for at, amount in enumerate(amounts)]
    rows.append(row("payments", reference="M4", amount=0.1))
    await merge_facts(database, portfolio, {"payments": rows})
    found = {one["reference"]: one["amount"] for one in (await stored(database, portfolio))["payment"]}
    assert [found[f"M{at}"] for at in range(4)] == [Decimal(amount) for amount in amounts]
    assert found["M4"] == Decimal("0.1")


async def test_values_not_spellings_tell_rows_apart(database, portfolio):
    spelled = row("payments", communication="C1", amount="10", paid_at="2026-02-02T11:00:00+01:00")
    report, _ = await merge_facts(
        database, portfolio, {"payments": [spelled, row("payments", communication="C1")]}
    )
    counts = report.tables["payments"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (2, 0, 2, 0)


async def test_the_same_reference_with_different_values_refuses_all_its_rows(database, portfolio):
    rows = [
        row("payments", reference="P2", amount="1"),
        row("payments", reference="P2", amount="2"),
        row("payments", reference="P2", amount="2"),
        row("payments", reference="P3", amount="zero"),
        row("payments", reference="P3", amount="3"),
        row("payments", reference="P4"),
        row("payments", reference="P4"),
    ]
    report, rejections = await merge_facts(database, portfolio, {"payments": rows})
    assert [(bad.line, bad.column, bad.code) for bad in rejections] == [
        (2, "reference", "CONFLICT"),
        (3, "reference", "CONFLICT"),
        (4, "reference", "CONFLICT"),
        (5, "amount", "NOT_A_NUMBER"),
        (6, "reference", "CONFLICT"),
    ]
    counts = report.tables["payments"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (7, 1, 1, 4)


@pytest.mark.parametrize(
    ("one", "other"),
    [("-1", "-2"), ("-2.0", "-1.00"), ("0", "-1"), ("1", "1.000000000002305843009213693951")],
)
async def test_amounts_that_hash_alike_are_different_values(database, tenant_id, one, other):
    rows = [row("finance", revenue=one), row("finance", revenue=other)]
    _, rejections = await merge_facts(database, tenant_id, {"finance": rows})
    assert [(bad.line, bad.code) for bad in rejections] == [(2, "CONFLICT"), (3, "CONFLICT")]


async def test_a_cost_without_its_currency_column_keeps_the_stored_currency(database, tenant_id):
    facts = {"debtors": [row("debtors")], "communications": [row("communications", cost="1", currency="EUR")]}
    await merge_facts(database, tenant_id, facts)
    _, rejections = await merge_facts(
        database, tenant_id, {"communications": [row("communications", cost="2")]}
    )
    assert rejections == []
    found = await only(database, tenant_id, "communication")
    assert (found["cost"], found["currency"]) == (2, "EUR")


async def test_a_bad_row_repeated_counts_once_and_is_listed_each_time(database, portfolio):
    rows = [row("payments", account="A9"), row("payments", account="A9"), row("payments", amount="x")]
    rows += [row("payments", reference="P2", account="A9"), row("payments", reference="P3", amount="x")] * 2
    report, rejections = await merge_facts(database, portfolio, {"payments": rows[3:]})
    assert [bad.line for bad in rejections] == [2, 3, 4, 5]
    counts = report.tables["payments"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (4, 0, 0, 2)


async def test_keyed_tables_know_their_rows_by_their_keys(database, portfolio):
    facts = {
        "contact_points": [
            row("contact_points", verified_at="2026-01-01T00:00:00Z"),
            row("contact_points", channel="SMS"),
        ],
        "exchange_rates": [row("exchange_rates", rate="0.5"), row("exchange_rates", date="2026-02-01")],
        "finance": [
            row("finance", revenue="5"),
            row("finance", currency="USD"),
            row("finance", currency="USD", revenue="1"),
        ],
    }
    report, rejections = await merge_facts(database, portfolio, facts)
    assert [(bad.table, bad.column, bad.code) for bad in rejections] == [
        ("finance", "currency", "CONFLICT")
    ] * 2
    assert {name: counts.accepted for name, counts in report.tables.items()} == {
        "exchange_rates": 2,
        "finance": 1,
        "contact_points": 2,
    }
    found = await stored(database, portfolio)
    assert [one["rate"] for one in found["exchange_rate"]] == [Decimal("0.5"), Decimal("0.909091")]
    (finance,) = found["finance"]
    assert (finance["month"], finance["credit_sales"], finance["revenue"]) == (date(2026, 1, 1), 1500000, 5)


async def test_a_rejected_parent_takes_its_new_children_with_it_but_a_stored_one_stands(database, portfolio):
    facts = {
        "debtors": [row("debtors", reference="D3", country="ZZ"), row("debtors", country="ZZ")],
        "accounts": [row("accounts", reference="A3", debtor="D3"), row("accounts", reference="A4")],
        "payments": [
            row("payments", reference="P3", account="A3"),
            row("payments", reference="P4", account="A4"),
        ],
    }
    report, rejections = await merge_facts(database, portfolio, facts)
    assert [(bad.table, bad.code) for bad in rejections] == [
        ("accounts", "UNKNOWN_REFERENCE"),
        ("debtors", "UNKNOWN_COUNTRY"),
        ("debtors", "UNKNOWN_COUNTRY"),
        ("payments", "UNKNOWN_REFERENCE"),
    ]
    assert (report.tables["accounts"].accepted, report.tables["payments"].accepted) == (1, 1)


async def test_the_time_zone_is_the_countrys_unless_given_and_follows_it(database, tenant_id):
    async def zone():
        return (await only(database, tenant_id, "debtor"))["time_zone"]

    await merge_facts(database, tenant_id, {"debtors": [row("debtors", country="US")]})
    assert await zone() == "America/New_York"
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", country="MX")]})
    assert await zone() == "America/Mexico_City"
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors", country="US", time_zone="America/Chicago")]}
    )
    assert await zone() == "America/Chicago"
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", country="ES")]})
    assert await zone() == "America/Chicago"
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", country="ES", time_zone="")]})
    assert await zone() == "Europe/Madrid"
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors", country="ES", time_zone="Europe/Madrid")]}
    )
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", country="MX")]})
    assert await zone() == "Europe/Madrid"


FUNNEL = [
    ("DELIVERED", False, {"delivered_at"}),
    ("BOUNCED_HARD", False, {"bounced_hard_at"}),
    ("BOUNCED_SOFT", False, {"bounced_soft_at"}),
    ("OPENED", False, {"opened_at"}),
    ("OPENED", True, {"machine_opened_at"}),
    ("CLICKED", False, {"opened_at", "clicked_at"}),
    ("CLICKED", True, set()),
    ("LANDED", False, {"opened_at", "clicked_at", "landed_at"}),
    ("LANDED", True, set()),
    ("PAYMENT_STARTED", False, set()),
    ("PAYMENT_FAILED", False, set()),
    ("PAYMENT_ABANDONED", False, set()),
    ("REPLIED", False, {"replied_at"}),
    ("REPLIED", True, set()),
    ("RIGHT_PARTY_CONTACTED", False, {"right_party_contacted_at"}),
    ("UNSUBSCRIBED", False, {"unsubscribed_at"}),
    ("COMPLAINED", False, {"complained_at"}),
    # automated matters on four kinds only
    ("DELIVERED", True, {"delivered_at"}),
    ("UNSUBSCRIBED", True, {"unsubscribed_at"}),
]
STAGES = sorted(set().union(*(stages for _, _, stages in FUNNEL)))


async def test_each_kind_of_event_proves_its_stages_at_its_earliest_instant(database, portfolio):
    messages, events = [], []
    for at, (kind, automated, _) in enumerate(FUNNEL):
        messages.append(row("communications", reference=f"F{at}"))
        for hour in (15, 13, 14):
            events.append(
                row(
                    "events",
                    reference=f"F{at}-{hour}",
                    communication=f"F{at}",
                    kind=kind,
                    automated=automated,
                    occurred_at=f"2026-02-01T{hour}:00:00Z",
                )
            )
    await merge_facts(database, portfolio, {"communications": messages, "events": events[:20]}, items=True)
    await merge_facts(database, portfolio, {"events": events[10:]}, items=True)
    first = datetime(2026, 2, 1, 13, tzinfo=UTC)
    for at, (_, _, stages) in enumerate(FUNNEL):
        found = await only(database, portfolio, "communication", reference=f"F{at}")
        assert {stage: found[stage] for stage in STAGES} == {
            stage: first if stage in stages else None for stage in STAGES
        }


async def test_a_visits_source_is_its_messages_channel_unless_given(database, portfolio):
    messages = [row("communications", reference="S1", channel="SMS")]
    events = [
        row("events", reference="V1", communication="S1"),
        row("events", reference="V2", communication="S1", source="EMAIL"),
        row("events", reference="V3"),
        row("events", reference="V4", communication="S1", source="SMS"),
    ]
    await merge_facts(database, portfolio, {"communications": messages, "events": events})
    sources = {one["reference"]: one["source"] for one in (await stored(database, portfolio))["event"]}
    assert [sources[name] for name in ("V1", "V2", "V3", "V4")] == ["SMS", "EMAIL", "DIRECT", "SMS"]

    corrected = [row("communications", reference="S1", channel="WHATSAPP")]
    report, _ = await merge_facts(database, portfolio, {"communications": corrected, "events": events})
    assert report.tables["events"].duplicates == 4
    sources = {one["reference"]: one["source"] for one in (await stored(database, portfolio))["event"]}
    assert [sources[name] for name in ("V1", "V2", "V3", "V4")] == ["WHATSAPP", "EMAIL", "DIRECT", "SMS"]


async def test_a_known_event_may_come_with_fewer_columns(database, portfolio):
    full = row("events", reference="E3", detail="why", source="SMS", automated="true", x_a="1")
    await merge_facts(database, portfolio, {"events": [full]})
    report, _ = await merge_facts(database, portfolio, {"events": [row("events", reference="E3")]})
    assert (report.tables["events"].duplicates, report.rejected) == (1, 0)


async def test_a_known_event_with_any_other_value_is_a_conflict(database, portfolio):
    changes = [
        {"debtor": "D2", "communication": ""},
        {"communication": ""},
        {"kind": "CLICKED"},
        {"occurred_at": "2026-02-01T12:00:00.000001Z"},
        {"source": "SMS"},
        {"automated": "true"},
        {"detail": "other"},
        {"x_a": "1"},
    ]
    known = [row("events", reference=f"K{at}", communication="C1") for at in range(len(changes))]
    await merge_facts(database, portfolio, {"events": known})
    before = await stored(database, portfolio)
    other = [event | change for event, change in zip(known, changes, strict=True)]
    report, rejections = await merge_facts(database, portfolio, {"events": other}, items=True)
    assert [bad.code for bad in rejections] == ["CONFLICT"] * len(changes)
    assert report.tables["events"].rejected == len(changes)
    assert await stored(database, portfolio) == before


async def test_an_account_takes_its_payments_and_promises_to_its_new_debtor(database, portfolio):
    await merge_facts(database, portfolio, {"accounts": [row("accounts", agent="G1", debtor="D2")]})
    found = await stored(database, portfolio)
    assert {one["debtor_id"] for table in ("account", "payment", "promise") for one in found[table]} == {"D2"}
    owed = {one["debtor_id"]: one["balance"] for one in found["debtor_balance"]}
    assert owed == {"D2": Decimal("190.00")}


async def test_messages_that_an_account_has_left_behind_follow_its_product(database, portfolio):
    sent = [
        row("communications", reference="C9", account="A1"),
        row("communications", reference="C8", account=""),
    ]
    await merge_facts(database, portfolio, {"communications": sent})
    await merge_facts(database, portfolio, {"accounts": [row("accounts", debtor="D2")]})
    await merge_facts(database, portfolio, {"accounts": [row("accounts", debtor="D2", product="LOAN")]})
    found = (await stored(database, portfolio))["communication"]
    products = {one["reference"]: (one["debtor_id"], one["product"]) for one in found}
    assert products["C9"] == ("D1", "LOAN")
    assert products["C8"] == ("D1", None)


async def test_a_payment_of_a_moved_account_is_attributed_among_its_new_debtors_messages(database, tenant_id):
    facts = {
        "debtors": [row("debtors"), row("debtors", reference="D2")],
        "accounts": [row("accounts")],
        "communications": [
            row("communications"),
            row("communications", reference="C2", debtor="D2"),
        ],
        "events": [
            row("events", kind="CLICKED", communication="C1"),
            row("events", kind="CLICKED", reference="E2", debtor="D2", communication="C2"),
        ],
        "payments": [row("payments")],
    }
    await merge_facts(database, tenant_id, facts)
    assert (await only(database, tenant_id, "payment"))["attributed_to"] == "C1"
    await merge_facts(database, tenant_id, {"accounts": [row("accounts", debtor="D2")]})
    assert (await only(database, tenant_id, "payment"))["attributed_to"] == "C2"
    converted = {
        one["reference"]
        for one in (await stored(database, tenant_id))["communication"]
        if one["converted_at"]
    }
    assert converted == {"C2"}


async def test_a_message_keeps_the_payment_that_names_it_when_the_account_goes_to_another_debtor(
    database, tenant_id
):
    facts = {
        "debtors": [row("debtors"), row("debtors", reference="D2")],
        "accounts": [row("accounts"), row("accounts", reference="A2")],
        "communications": [row("communications")],
        "payments": [
            row("payments", communication="C1"),
            row("payments", reference="P2", account="A2", paid_at="2026-02-04T10:00:00Z"),
        ],
    }
    await merge_facts(database, tenant_id, facts)
    await merge_facts(database, tenant_id, {"accounts": [row("accounts", debtor="D2")]})
    click = row("events", kind="CLICKED", communication="C1", occurred_at="2026-02-03T10:00:00Z")
    await merge_facts(database, tenant_id, {"events": [click]})
    assert (await only(database, tenant_id, "payment", reference="P2"))["attributed_to"] == "C1"
    (message,) = (await stored(database, tenant_id))["communication"]
    assert message["converted_at"] == datetime(2026, 2, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("few", [True, False])
async def test_what_converted_a_message_is_told_whichever_of_the_two_debtors_changes(
    database, tenant_id, monkeypatch, few
):
    if not few:
        monkeypatch.setattr(plans, "_FEW_DEBTORS", 0)
    home, guest = row("debtors"), row("debtors", reference="D2")
    paid = row("payments", communication="C1")
    facts = {
        "debtors": [home, guest],
        "accounts": [row("accounts")],
        "communications": [row("communications")],
        "payments": [paid],
    }
    await merge_facts(database, tenant_id, facts)
    await merge_facts(database, tenant_id, {"accounts": [row("accounts", debtor="D2")]})

    async def converted_at():
        (message,) = (await stored(database, tenant_id))["communication"]
        return message["converted_at"]

    first = datetime(2026, 2, 2, 10, tzinfo=UTC)
    for changed in (home, guest):
        await merge_facts(database, tenant_id, {"debtors": [changed | {"time_zone": "Asia/Tokyo"}]})
        assert await converted_at() == first
    await merge_facts(database, tenant_id, {"payments": [paid | {"communication": ""}]})
    assert await converted_at() is None


async def test_time_tells_what_converted_a_message_whose_payments_account_went_to_another_debtor(
    database, tenant_id
):
    """Who holds the message's debtor just then is not waited for: the debtor who paid stays due."""
    paid_at = NOW + timedelta(days=1)
    paid = row("payments", communication="C1", paid_at=paid_at.isoformat())
    facts = {
        "debtors": [row("debtors"), row("debtors", reference="D2")],
        "accounts": [row("accounts")],
        "communications": [row("communications")],
        "payments": [paid],
    }
    await merge_facts(database, tenant_id, facts)
    await merge_facts(database, tenant_id, {"accounts": [row("accounts", debtor="D2")]})

    async def converted_at(now):
        async with database.transaction(tenant_id) as connection:
            await catch_up(connection, tenant_id, now=now)
        (message,) = (await stored(database, tenant_id))["communication"]
        return message["converted_at"]

    assert await converted_at(NOW + timedelta(hours=1)) is None
    async with database.transaction(tenant_id) as holder:
        await holder.execute(text("SELECT FROM debtor WHERE reference = 'D1' FOR NO KEY UPDATE"))
        assert await converted_at(paid_at) is None
    assert await converted_at(paid_at) == paid_at


async def test_a_payment_moved_to_another_account_leaves_no_trace_on_the_first(database, portfolio):
    moved = row("payments", account="A2", communication="")
    await merge_facts(database, portfolio, {"payments": [moved]})
    found = await stored(database, portfolio)
    assert {one["reference"]: one["balance"] for one in found["account"]} == {"A1": 100, "A2": 90}
    assert [one["debtor_id"] for one in found["payment"]] == ["D2"]


async def test_strict_changes_nothing_when_one_row_is_bad(database, portfolio):
    before = await stored(database, portfolio)
    facts = {"debtors": [row("debtors", name="Other")], "payments": [row("payments", amount="0")]}
    report, rejections = await merge_facts(database, portfolio, facts, strict=True)
    assert (report.applied, report.rejected, len(rejections)) == (False, 1, 1)
    assert await stored(database, portfolio) == before
    report, _ = await merge_facts(database, portfolio, {"debtors": facts["debtors"]}, strict=True)
    assert report.applied
    assert await stored(database, portfolio) != before


async def test_one_tenants_references_mean_nothing_to_another(database, portfolio, new_tenant):
    _, rejections = await merge_facts(database, new_tenant(), {"payments": [row("payments")]})
    assert [(bad.column, bad.code) for bad in rejections] == [("account", "UNKNOWN_REFERENCE")]
