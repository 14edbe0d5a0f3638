"""Accounts as they stand today, from before they open until after they close."""

import pytest

ACCOUNT = '{ debtorByReference(reference: "D1") { daysPastDue accounts { edges { node { daysPastDue bucket } } } } }'
RECORD = """
mutation ($accounts: [AccountInput!]!) {
  upsertDebtors(input: [{reference: "D1", name: "Ana", country: "ES"}]) { accepted }
  upsertAccounts(input: $accounts) { accepted rejected { code } }
}
"""


@pytest.mark.parametrize(
    ("opened_on", "due_on", "closed_on", "days", "bucket"),
    [
        ("2026-01-01", "2026-04-30", None, 1, "DPD_1_30"),
        ("2026-05-01", "2026-04-30", None, 1, "DPD_1_30"),
        ("2026-05-02", "2026-04-30", None, 0, "CURRENT"),
        ("2026-01-01", "2026-04-30", "2026-05-02", 1, "DPD_1_30"),
        ("2026-01-01", "2026-04-30", "2026-05-01", 0, "PAID"),
    ],
)
async def test_days_past_due_count_while_the_account_is_open(
    api_of, new_tenant, opened_on, due_on, closed_on, days, bucket
) -> None:
    api = await api_of(new_tenant())
    account = {"reference": "A1", "debtor": "D1", "product": "CARD", "currency": "EUR", "principal": "100"}
    dates = {"openedOn": opened_on, "dueOn": due_on, "closedOn": closed_on}
    await api.ask(RECORD, accounts=[account | dates])
    found = (await api.ask(ACCOUNT))["debtorByReference"]
    (edge,) = found["accounts"]["edges"]
    assert edge["node"] == {"daysPastDue": days, "bucket": bucket}
    assert found["daysPastDue"] == days
