"""Every code by which a row is refused: one row that earns it, and nothing stored of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.import_format import Chunk, Unreadable
from domain.rejections import RejectCode
from domain.storage.ingest import merge
from tests.facts import NOW, chunk, merge_facts, row, stored

PARENTS = {
    "agents": [row("agents")],
    "debtors": [row("debtors"), row("debtors", reference="D2"), row("debtors", reference="DK", country="DK")],
    "accounts": [row("accounts"), row("accounts", reference="A2", debtor="D2")],
    "communications": [row("communications"), row("communications", reference="C2", debtor="D2")],
}

#: (table, what is wrong with the row, column, code)
BAD_ROWS = [
    ("debtors", {"reference": ""}, "reference", "MISSING"),
    ("debtors", {"name": "   "}, "name", "MISSING"),
    ("communications", {"sent_at": None}, "sent_at", "MISSING"),
    ("communications", {"cost": "1.00"}, "currency", "MISSING"),
    ("contact_requests", {"kind": "ONLY_BETWEEN", "to_hour": "9"}, "from_hour", "MISSING"),
    ("contact_requests", {"kind": "ONLY_BETWEEN", "from_hour": "9"}, "to_hour", "MISSING"),
    ("contact_requests", {"kind": "NOT_BEFORE"}, "until", "MISSING"),
    ("debtors", {"name": "a" * 501}, "name", "TOO_LONG"),
    ("events", {"reference": "e" * 256}, "reference", "TOO_LONG"),
    ("debtors", {"name": "A\0B"}, "name", "INVALID_TEXT"),
    ("debtors", {"postal_address": "half \ud800 pair"}, "postal_address", "INVALID_TEXT"),
    ("debtors", {"email": 1.5}, "email", "INVALID_TEXT"),
    ("events", {"reference": "E\t1"}, "reference", "INVALID_REFERENCE"),
    ("debtors", {"email": "a@b.example\r\nBcc: c@d.example"}, "email", "INVALID_REFERENCE"),
    ("accounts", {"product": "CARD\n"}, "product", "INVALID_REFERENCE"),
    ("debtors", {"x_income": float("nan")}, "x_income", "INVALID_ATTRIBUTE"),
    ("debtors", {"x_income": 2**63}, "x_income", "INVALID_ATTRIBUTE"),
    ("debtors", {"x_income": -1e30}, "x_income", "INVALID_ATTRIBUTE"),
    ("debtors", {"x_income": Decimal("1e30")}, "x_income", "INVALID_ATTRIBUTE"),
    ("debtors", {"x_tags": ["a"]}, "x_tags", "INVALID_ATTRIBUTE"),
    ("debtors", {"x_note": "a" * 2001}, "x_note", "INVALID_ATTRIBUTE"),
    ("events", {"kind": "SNEEZED"}, "kind", "UNKNOWN_WORD"),
    ("events", {"source": "PIGEON"}, "source", "UNKNOWN_WORD"),
    ("communications", {"direction": "outbound"}, "direction", "UNKNOWN_WORD"),
    ("templates", {"channel": "FAX"}, "channel", "UNKNOWN_WORD"),
    ("debtors", {"country": "ZZ"}, "country", "UNKNOWN_COUNTRY"),
    ("debtors", {"country": "es"}, "country", "UNKNOWN_COUNTRY"),
    ("accounts", {"currency": "EURO"}, "currency", "UNKNOWN_CURRENCY"),
    ("finance", {"currency": "XXX"}, "currency", "UNKNOWN_CURRENCY"),
    ("debtors", {"time_zone": "Europe/Atlantis"}, "time_zone", "UNKNOWN_TIME_ZONE"),
    ("debtors", {"time_zone": "europe/madrid"}, "time_zone", "UNKNOWN_TIME_ZONE"),
    ("debtors", {"region": "MD"}, "region", "INVALID_REGION"),
    ("debtors", {"region": "ES-MADRID"}, "region", "INVALID_REGION"),
    ("debtors", {"language": "e"}, "language", "INVALID_LANGUAGE"),
    ("debtors", {"language": "es_ES"}, "language", "INVALID_LANGUAGE"),
    ("debtors", {"phone": "600 000 000"}, "phone", "INVALID_PHONE"),
    ("accounts", {"principal": "ten"}, "principal", "NOT_A_NUMBER"),
    ("accounts", {"principal": "NaN"}, "principal", "NOT_A_NUMBER"),
    ("accounts", {"principal": "1e3"}, "principal", "NOT_A_NUMBER"),
    ("accounts", {"principal": "1,000.00"}, "principal", "NOT_A_NUMBER"),
    ("accounts", {"principal": "１２"}, "principal", "NOT_A_NUMBER"),
    ("payments", {"amount": float("inf")}, "amount", "NOT_A_NUMBER"),
    ("communications", {"propensity": "high"}, "propensity", "NOT_A_NUMBER"),
    ("contact_requests", {"from_hour": "9.5"}, "from_hour", "NOT_A_NUMBER"),
    ("events", {"automated": "maybe"}, "automated", "NOT_A_BOOLEAN"),
    ("accounts", {"due_on": "02/01/2026"}, "due_on", "NOT_A_DATE"),
    ("accounts", {"due_on": "20260102"}, "due_on", "NOT_A_DATE"),
    ("accounts", {"due_on": datetime(2026, 1, 2, 8)}, "due_on", "NOT_A_DATE"),  # noqa: DTZ001
    ("finance", {"month": "2026-1"}, "month", "NOT_A_MONTH"),
    ("finance", {"month": date(2026, 1, 2)}, "month", "NOT_A_MONTH"),
    ("events", {"occurred_at": "yesterday"}, "occurred_at", "NOT_AN_INSTANT"),
    ("events", {"occurred_at": "2026-03-01_09:30:00Z"}, "occurred_at", "NOT_AN_INSTANT"),
    ("events", {"occurred_at": "2026-03-01T09:30:00"}, "occurred_at", "NAIVE_INSTANT"),
    ("events", {"occurred_at": "2026-03-01"}, "occurred_at", "NAIVE_INSTANT"),
    ("events", {"occurred_at": datetime(2026, 3, 1, 9)}, "occurred_at", "NAIVE_INSTANT"),  # noqa: DTZ001
    ("accounts", {"due_on": "2026-02-30"}, "due_on", "IMPOSSIBLE_DATE"),
    ("finance", {"month": "2026-13"}, "month", "IMPOSSIBLE_DATE"),
    ("events", {"occurred_at": "2026-02-30T10:00:00Z"}, "occurred_at", "IMPOSSIBLE_DATE"),
    ("events", {"occurred_at": "2026-02-28T24:00:00Z"}, "occurred_at", "IMPOSSIBLE_DATE"),
    ("accounts", {"due_on": "0026-01-02"}, "due_on", "OUT_OF_RANGE"),
    ("accounts", {"due_on": "9999-12-31"}, "due_on", "OUT_OF_RANGE"),
    ("events", {"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at", "OUT_OF_RANGE"),
    ("events", {"occurred_at": "9999-12-31T23:59:59-12:00"}, "occurred_at", "OUT_OF_RANGE"),
    ("communications", {"propensity": "1.5"}, "propensity", "OUT_OF_RANGE"),
    ("communications", {"propensity": -0.1}, "propensity", "OUT_OF_RANGE"),
    ("payments", {"amount": "1" * 16}, "amount", "OUT_OF_RANGE"),
    ("payments", {"amount": "0." + "1" * 31}, "amount", "OUT_OF_RANGE"),
    ("payments", {"amount": Decimal("1E+1000000")}, "amount", "OUT_OF_RANGE"),
    ("contact_requests", {"from_hour": "25"}, "from_hour", "OUT_OF_RANGE"),
    ("payments", {"amount": "0"}, "amount", "NOT_POSITIVE"),
    ("accounts", {"principal": "-5.00"}, "principal", "NOT_POSITIVE"),
    ("exchange_rates", {"rate": "0.000"}, "rate", "NOT_POSITIVE"),
    ("communications", {"cost": "-0.01", "currency": "EUR"}, "cost", "NEGATIVE"),
    ("accounts", {"closed_on": "2025-10-03"}, "closed_on", "ENDS_BEFORE_START"),
    ("agents", {"active_to": "2024-12-31"}, "active_to", "ENDS_BEFORE_START"),
    (
        "contact_requests",
        {"kind": "ONLY_BETWEEN", "from_hour": "9", "to_hour": "9"},
        "to_hour",
        "EMPTY_WINDOW",
    ),
    ("promises", {"due_on": "2026-02-01"}, "due_on", "DUE_BEFORE_PROMISED"),
    # 00:30 of 3 February in Madrid
    (
        "promises",
        {"promised_at": "2026-02-02T23:30:00Z", "due_on": "2026-02-02"},
        "due_on",
        "DUE_BEFORE_PROMISED",
    ),
    ("accounts", {"debtor": "D9"}, "debtor", "UNKNOWN_REFERENCE"),
    ("accounts", {"agent": "G9"}, "agent", "UNKNOWN_REFERENCE"),
    ("communications", {"account": "A9"}, "account", "UNKNOWN_REFERENCE"),
    ("communications", {"decision_id": 9}, "decision_id", "UNKNOWN_REFERENCE"),
    ("events", {"communication": "C9"}, "communication", "UNKNOWN_REFERENCE"),
    ("payments", {"account": "A9"}, "account", "UNKNOWN_REFERENCE"),
    ("payments", {"communication": "C9"}, "communication", "UNKNOWN_REFERENCE"),
    ("promises", {"agent": "G9"}, "agent", "UNKNOWN_REFERENCE"),
    ("contact_points", {"debtor": "D9"}, "debtor", "UNKNOWN_REFERENCE"),
    ("contact_requests", {"debtor": "D9"}, "debtor", "UNKNOWN_REFERENCE"),
    ("events", {"communication": "C2"}, "communication", "DEBTOR_MISMATCH"),
    ("communications", {"account": "A2"}, "account", "DEBTOR_MISMATCH"),
    ("payments", {"communication": "C2"}, "communication", "DEBTOR_MISMATCH"),
    ("promises", {"communication": "C2"}, "communication", "DEBTOR_MISMATCH"),
    ("payments", {"currency": "USD"}, "currency", "CURRENCY_MISMATCH"),
    ("promises", {"currency": "USD"}, "currency", "CURRENCY_MISMATCH"),
]


@pytest.fixture
async def portfolio(database, tenant_id):
    await merge_facts(database, tenant_id, PARENTS)
    return tenant_id


@pytest.mark.parametrize("table", dict.fromkeys(table for table, *_ in BAD_ROWS))
async def test_a_bad_row_is_refused_whole_and_for_what_is_wrong(database, portfolio, table):
    good = row(table)
    cases = [(wrong, column, code) for name, wrong, column, code in BAD_ROWS if name == table]
    bad = [good | ({"reference": f"BAD{at}"} if "reference" in good else {}) for at in range(len(cases))]
    bad = [one | wrong for one, (wrong, _, _) in zip(bad, cases, strict=True)]
    # rows keyed by what may be wrong come one at a time, lest they contradict each other
    batches = [bad] if "reference" in good else [[one] for one in bad]
    before = await stored(database, portfolio)

    told = []
    for batch in batches:
        report, rejections = await merge_facts(database, portfolio, {table: batch}, items=True)
        told += rejections
        assert report.tables[table].rejected == len(batch)
        assert report.tables[table].accepted == 0

    assert [(one.column, one.code) for one in told] == [(column, code) for _, column, code in cases]
    assert all(one.table == table and one.column in one.reason for one in told)
    assert await stored(database, portfolio) == before


async def test_a_number_in_place_of_a_text_is_not_told_of_nul_alone(database, portfolio):
    agents = [row("agents", reference=1.0)]  # as pandas makes of whole numbers beside a missing one
    _, (told,) = await merge_facts(database, portfolio, {"agents": agents}, items=True)
    assert told.reason.startswith("reference is no text, ")
    assert told.reason.endswith("give text of at most 255 characters.")


async def test_a_refusal_never_repeats_the_value(database, portfolio):
    secrets = {"name": "Ana García\0", "phone": "600123456", "email": "x" * 400, "language": "Ana García"}
    _, rejections = await merge_facts(
        database, portfolio, {"debtors": [row("debtors", **{key: value}) for key, value in secrets.items()]}
    )
    told = " ".join(bad.reason for bad in rejections)
    assert len(rejections) == 4
    assert not [value for value in secrets.values() if value.strip("\0") in told]


@pytest.mark.parametrize("code", ["RAGGED_ROW", "MALFORMED_CSV", "INVALID_UTF8"])
async def test_a_record_of_which_no_row_can_be_made_counts_once_per_distinct_one(database, tenant_id, code):
    records = [Unreadable(line, RejectCode(code), text) for line, text in ((3, "a"), (4, "a"), (7, "b"))]
    told = []
    async with database.transaction(tenant_id) as connection:
        good = chunk("debtors", [row("debtors")])
        report = await merge(
            connection,
            tenant_id,
            {"debtors": [good, Chunk((), {}, unreadable=records)]},
            now=NOW,
            on_rejection=told.append,
        )
    assert [(bad.line, bad.column, bad.code) for bad in told] == [(line, "", code) for line in (3, 4, 7)]
    counts = report.tables["debtors"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (4, 1, 0, 2)


async def test_an_account_keeps_its_currency_while_money_on_it_is_in_another(database, portfolio):
    await merge_facts(database, portfolio, {"payments": [row("payments")]})
    report, rejections = await merge_facts(
        database, portfolio, {"accounts": [row("accounts", currency="USD")]}
    )
    assert [(bad.column, bad.code) for bad in rejections] == [("currency", "CURRENCY_CHANGED")]

    report, rejections = await merge_facts(
        database,
        portfolio,
        {"accounts": [row("accounts", currency="USD")], "payments": [row("payments", currency="USD")]},
    )
    assert (report.rejected, rejections) == (0, [])


async def test_a_communication_stays_with_its_debtor_once_events_refer_to_it(database, portfolio):
    moved = {"communications": [row("communications", debtor="D2")]}
    await merge_facts(
        database, portfolio, {"events": [row("events", communication="C1", kind="PAYMENT_STARTED")]}
    )
    _, rejections = await merge_facts(database, portfolio, moved)
    assert [(bad.column, bad.code) for bad in rejections] == [("debtor", "DEBTOR_CHANGED")]


async def test_a_communication_without_events_may_move(database, portfolio):
    moved = {"communications": [row("communications", debtor="D2")]}
    report, _ = await merge_facts(database, portfolio, moved)
    assert (report.tables["communications"].accepted, report.rejected) == (1, 0)
    assert [one["debtor_id"] for one in (await stored(database, portfolio))["communication"]] == ["D2", "D2"]


async def test_a_known_event_with_another_value_is_a_conflict_and_the_log_keeps_the_first(
    database, portfolio
):
    await merge_facts(database, portfolio, {"events": [row("events", detail="first")]})
    before = await stored(database, portfolio)
    _, rejections = await merge_facts(database, portfolio, {"events": [row("events", detail="second")]})
    assert [(bad.column, bad.code) for bad in rejections] == [("reference", "CONFLICT")]
    assert await stored(database, portfolio) == before


def test_every_code_has_a_test_that_names_it():
    named = {code for _, _, _, code in BAD_ROWS}
    named |= {"RAGGED_ROW", "MALFORMED_CSV", "INVALID_UTF8", "CURRENCY_CHANGED", "DEBTOR_CHANGED", "CONFLICT"}
    assert named == {code.value for code in RejectCode}


async def test_times_of_the_other_hemisphere_are_the_debtors_own(database, portfolio):
    """23:30 UTC of 2 February is the 3rd in Madrid, but that is also when it is due here."""
    late = row("promises", promised_at="2026-02-02T23:30:00Z", due_on="2026-02-03")
    report, _ = await merge_facts(database, portfolio, {"promises": [late]})
    assert report.tables["promises"].accepted == 1
    assert (
        datetime(2026, 2, 2, 23, 30, tzinfo=UTC)
        == (await stored(database, portfolio))["promise"][0]["promised_at"]
    )


async def test_more_bad_lines_than_one_page_are_all_told_in_order(database, portfolio):
    _, rejections = await merge_facts(
        database,
        portfolio,
        {"events": [row("events", kind=f"K{at}", reference=f"E{at}") for at in range(20_001)]},
    )
    assert [bad.line for bad in rejections] == list(range(2, 20_003))


async def test_rows_are_equal_or_contradict_each_other_however_their_chunks_are_read(database, tenant_id):
    """A chunk of plain text is read as a frame, one with anything odd cell by cell."""
    plain = [row("events", reference="E1"), row("events", reference="E2"), row("events", reference="E4")]
    again = row("events", reference="E1", occurred_at="2026-02-01T13:00:00.000+01:00")
    odd = [row("events", reference="É3"), again, row("events", reference="E2", kind="OPENED")]
    rejections = []
    async with database.transaction(tenant_id) as connection:
        chunks = [
            chunk("events", plain),
            chunk("events", odd, first_line=5),
            chunk("events", plain[2:], first_line=8),
        ]
        report = await merge(
            connection,
            tenant_id,
            {"debtors": [chunk("debtors", [row("debtors")])], "events": chunks},
            now=NOW,
            on_rejection=rejections.append,
        )
    assert [(bad.line, bad.code) for bad in rejections] == [
        (3, RejectCode.CONFLICT),
        (7, RejectCode.CONFLICT),
    ]
    counts = report.tables["events"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (7, 3, 2, 2)
    log = (await stored(database, tenant_id))["event"]
    assert {one["reference"] for one in log} == {"E1", "É3", "E4"}
