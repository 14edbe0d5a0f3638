"""Another writer of the same facts is done in between: after this one has locked what was there, before it looks."""

from importlib import import_module

from tests.facts import merge_facts, row

MERGING = import_module("domain.storage.ingest.merge")  # the package has a function of that name
FACTS = {
    "debtors": [row("debtors")],
    "accounts": [row("accounts")],
    "events": [row("events"), row("events", reference="E2", kind="CLICKED")],
}


async def test_events_of_debtors_that_another_has_just_stored_are_known(
    database, tenant_id, monkeypatch
) -> None:
    locking, calls = MERGING.lock_debtors, []

    async def lock(*asked) -> None:
        calls.append(asked)
        await locking(*asked)
        if len(calls) == 1:
            await merge_facts(database, tenant_id, FACTS)

    monkeypatch.setattr(MERGING, "lock_debtors", lock)
    report, rejections = await merge_facts(database, tenant_id, FACTS)
    assert rejections == []
    assert {name: of.duplicates for name, of in report.tables.items()} == {
        "debtors": 1,
        "accounts": 1,
        "events": 2,
    }
