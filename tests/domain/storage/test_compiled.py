"""Statements of selections: what stands in their text, and what is given to them when they run."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.debtor_where import read_debtor_where
from domain.list_where import read_promise_where
from domain.storage.compiled import ListOf, Page, Selected, Statement, compile_statement
from domain.storage.reads.debtors import DebtorOrder

BEGUN = datetime(2026, 5, 1, 9, tzinfo=UTC)
PAGE = Page(5, '["list",null', None)
EDGES = (Selected("edges", "edges", "Edge", (Selected("node", "node", "Debtor", (Selected("id", "id"),)),)),)
CLOCKED = [
    ("debtors", read_debtor_where({"daysPastDue": {"gte": 30}})),
    ("debtors", read_debtor_where({"reachableBy": ["EMAIL"], "promiseStatus": ["BROKEN"]})),
    ("promises", read_promise_where({"status": ["PENDING", "BROKEN"]})),
]


def compiled(name: str, where: object, now: datetime) -> Statement:
    order = (DebtorOrder(),) if name == "debtors" else ()
    asked: ListOf = ListOf(PAGE, where, order, now)
    return compile_statement([Selected(name, name, "Connection", EDGES, 0)], [asked], now)


@pytest.mark.parametrize(("name", "where"), CLOCKED)
def test_a_condition_that_looks_at_the_clock_serves_the_whole_hour(name: str, where: object) -> None:
    early, late = BEGUN + timedelta(seconds=1), BEGUN + timedelta(minutes=59, microseconds=3)
    first, second = compiled(name, where, early), compiled(name, where, late)
    assert (first.sql, first.values) == (second.sql, second.values)
    assert not first.is_general
    argument: ListOf = ListOf(PAGE, where, (), late)
    assert late in first.parameters(1, late, [argument])
    assert early not in first.parameters(1, late, [argument])


def test_without_a_condition_no_value_of_a_request_stands_in_the_text() -> None:
    statement = compiled("debtors", None, BEGUN)
    assert statement.is_general
    assert "2026" not in statement.sql
    argument: ListOf = ListOf(PAGE, None, (DebtorOrder(),), BEGUN)
    assert statement.parameters(7, BEGUN, [argument])[:2] == [7, BEGUN]
