"""Rule-based segments of communications, by the facts before they were sent. Source: schema.graphql, DebtorWhere."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tests.oracle.reading import Reading

#: A segment's key and its condition as JSON.
Rule = tuple[str, dict[str, Any]]


def rule_segments(reading: Reading, rules: Sequence[Rule]) -> dict[str, str]:
    """Communication → the key of the first rule its debtor met; needs the tables `cohort` and `owed`."""
    accounts: defaultdict[str, list[tuple[str, str, int, Decimal]]] = defaultdict(list)
    for communication, product, currency, today, due_on, balance in reading.rows(
        "SELECT communication, product, currency, today, due_on, balance FROM owed"
    ):
        days = _days(today, due_on) if balance > 0 else 0
        accounts[communication].append((product, currency, days, balance))
    segments = {}
    for reference, country in reading.rows("SELECT reference, country FROM cohort WHERE own_segment IS NULL"):
        met = (key for key, condition in rules if _meets(condition, country, accounts[reference]))
        first = next(met, None)
        if first is not None:
            segments[reference] = first
    return segments


def _days(today: date, due_on: date) -> int:
    return max((today - due_on).days, 0)


def _meets(condition: dict[str, Any], country: str, accounts: list[tuple[str, str, int, Decimal]]) -> bool:
    return all(_part(name, wanted, country, accounts) for name, wanted in condition.items())


def _part(name: str, wanted: Any, country: str, accounts: list[tuple[str, str, int, Decimal]]) -> bool:
    if name == "and":
        return all(_meets(each, country, accounts) for each in wanted)
    if name == "or":
        return any(_meets(each, country, accounts) for each in wanted)
    if name == "not":
        return not _meets(wanted, country, accounts)
    if name == "country":
        return _text(wanted, country)
    if name == "product":
        return any(_text(wanted, product) for product, *_ in accounts)
    if name == "daysPastDue":
        return _number(wanted, max((days for *_, days, _ in accounts), default=0))
    if name == "balance":
        balances = [balance for _, currency, _, balance in accounts if currency == wanted["currency"]]
        bounds = {part: Decimal(str(bound)) for part, bound in wanted.items() if part != "currency"}
        return bool(balances) and _number(bounds, sum(balances, Decimal(0)))
    raise ValueError(f"the oracle knows no condition on {name}")


def _text(wanted: dict[str, Any], value: str) -> bool:
    return (
        wanted.get("eq", value) == value
        and value in wanted.get("in", [value])
        and value.startswith(wanted.get("startsWith", ""))
    )


def _number(wanted: dict[str, Any], value: Any) -> bool:
    return (
        wanted.get("eq", value) == value
        and ("lt" not in wanted or value < wanted["lt"])
        and ("lte" not in wanted or value <= wanted["lte"])
        and ("gt" not in wanted or value > wanted["gt"])
        and ("gte" not in wanted or value >= wanted["gte"])
    )
