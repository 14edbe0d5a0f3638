"""Histories as they are learned from: whatever a row may hold can be read again."""

from pathlib import Path

from sqlalchemy import text

from api.histories import export, load, read_history_of
from domain.storage.sessions import Database
from tests.facts import NOW, merge_facts, row

END = "9999-12-31"
LARGEST = f"{'9' * 15}.{'9' * 30}"
EXTREMES = {
    "agents": [row("agents", active_from="1900-01-01", active_to=END)],
    "debtors": [row("debtors", birth_date="1900-01-01", customer_since="2199-12-31", x_score="1e300")],
    "accounts": [row("accounts", agent="G1", principal=LARGEST, opened_on="1900-01-01", closed_on=END)],
    "communications": [
        row("communications", sent_at="1900-01-01T00:00:00+14:00", cost=f"0.{'0' * 29}1", currency="EUR"),
        row("communications", reference="C2", sent_at="2026-03-29T02:30:00.000001+01:00", propensity="1e-30"),
    ],
    "events": [row("events", occurred_at="1900-01-01T00:00:00-12:00", communication="C1", kind="OPENED")],
    "payments": [row("payments", paid_at="1900-01-01T00:00:00Z", reversed_at="2199-12-31T23:59:59.999999Z")],
    "promises": [row("promises", promised_at="1900-01-01T12:00:00Z", due_on="2199-12-31")],
}


async def test_facts_at_the_ends_of_what_is_taken_are_learned_from(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    _, rejected = await merge_facts(database, tenant_id, EXTREMES)
    assert rejected == []
    async with database.transaction(tenant_id) as connection:
        await export(connection, tenant_id, as_of=NOW, folder=tmp_path)
        ids = list(await connection.scalars(text("SELECT id FROM debtor")))
        few = await read_history_of(connection, tenant_id, ids, as_of=NOW)
    whole = load(tmp_path)
    for history in (whole, few):
        assert history.accounts["closed_on"].to_list() == [None]
        assert history.accounts["principal"].to_list() == [float(LARGEST)]
        assert history.communications.height == 2


async def test_an_account_without_an_end_has_none_in_the_api(
    api_of, database: Database, tenant_id: int
) -> None:
    await merge_facts(database, tenant_id, {"agents": EXTREMES["agents"], "debtors": [row("debtors")]})
    await merge_facts(database, tenant_id, {"accounts": [row("accounts", closed_on=END)]})
    api = await api_of(tenant_id)
    for also in ("", "attributes"):  # by one statement, and field by field
        asked = f'{{ debtorByReference(reference: "D1") {{ {also} accounts {{ edges {{ node {{ closedOn }} }} }} }} }}'
        found = (await api.ask(asked))["debtorByReference"]["accounts"]["edges"]
        assert found == [{"node": {"closedOn": None}}]
