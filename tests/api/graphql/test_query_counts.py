"""How many statements an operation takes: compiled one, else one per level; the same for two debtors as for fifty."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from domain.storage.direct import DirectConnections
from domain.storage.sessions import Database
from tests.api.graphql.test_compiled import watched
from tests.api.portfolio import Api, operation

#: What every transaction and every operation begins with: the tenant's binding, the key, the catching up.
OVERHEAD = ("set_config", "FROM api_key", "state_until", "AS is_applied")


@contextmanager
def statements(database: Database, *, all_of_them: bool = False) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection, cursor, statement, parameters, context, executemany) -> None:
        if all_of_them or not any(part in statement for part in OVERHEAD):
            seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


CASES = [
    ("Debtors", {"orderBy": [{"field": "DAYS_PAST_DUE", "direction": "DESC"}]}, 2),
    ("DebtorCount", {}, 2),
    ("DebtorPage", {}, 3),
    ("Communications", {}, 3),
    ("Promises", {}, 4),
]


@pytest.mark.parametrize("first", [2, 50])
@pytest.mark.parametrize(("name", "variables", "expected"), CASES, ids=[case[0] for case in CASES])
async def test_statements_do_not_grow_with_the_page(
    api: Api, database: Database, name: str, variables: dict, expected: int, first: int
) -> None:
    given = {**variables, "where": None} if name == "DebtorCount" else {**variables, "first": first}
    with watched(compiled=False), statements(database) as seen:
        await api.ask(operation(name), **given)
    assert len(seen) == expected, "\n\n".join(seen)


@contextmanager
def direct_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is sent beside SQLAlchemy, each in a transaction of its own that only reads."""
    seen: list[str] = []
    value = DirectConnections.value

    async def noting(self, begin, sql, values):
        seen.append(sql)
        return await value(self, begin, sql, values)

    with monkeypatch.context() as patched:
        patched.setattr(DirectConnections, "value", noting)
        yield seen


@pytest.mark.parametrize("first", [2, 50])
@pytest.mark.parametrize(("name", "variables"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
async def test_a_compiled_operation_is_one_statement(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch, name: str, variables: dict, first: int
) -> None:
    given = {**variables, "where": None} if name == "DebtorCount" else {**variables, "first": first}
    with direct_statements(monkeypatch) as direct:
        await api.ask(operation(name), **given)
        with statements(database, all_of_them=True) as seen:
            await api.ask(operation(name), **given)
    assert seen == []
    assert len(direct) == 2
    assert direct[0] == direct[1]


async def test_a_whole_case_takes_one_statement_per_list(api: Api, database: Database) -> None:
    with watched(compiled=False), statements(database) as seen:
        await api.ask(operation("DebtorCase"), reference="D0000010")
    assert len(seen) == 8, "\n\n".join(seen)


async def test_a_count_is_made_only_when_asked_for(api: Api, database: Database) -> None:
    with watched(compiled=False), statements(database) as seen:
        await api.ask("{ debtors(first: 2) { edges { node { name } } } }")
    assert len(seen) == 1
    assert "count(" not in seen[0]


#: What no statement answers as a whole, so that it goes through the loaders: the fields, and how many statements.
BY_LOADERS = {
    "attributes and segments": ("attributes segment { name where debtorCount }", 3),
    "accounts and agents": (
        "attributes accounts(first: 3) { totalCount edges { node { agent { name } } } }",
        4,
    ),
    "payments and their causes": (
        "attributes payments(first: 3) { edges { node { account { agent { name } } attributedTo { reference } } } }",
        5,
    ),
    "back to the debtor": (
        "attributes accounts(first: 2) { edges { node { debtor { attributes balance { amount } } } } }",
        4,
    ),
}


@pytest.mark.parametrize("first", [2, 50])
@pytest.mark.parametrize(("fields", "expected"), BY_LOADERS.values(), ids=BY_LOADERS)
async def test_what_is_not_compiled_takes_one_statement_per_level(
    api: Api, database: Database, fields: str, expected: int, first: int
) -> None:
    query = f"query ($first: Int!) {{ debtors(first: $first) {{ edges {{ node {{ {fields} }} }} }} }}"
    with statements(database) as seen:
        await api.ask(query, first=first)
    assert len(seen) == expected, "\n\n".join(seen)
