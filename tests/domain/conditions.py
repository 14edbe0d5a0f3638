"""Random `DebtorWhere` conditions as JSON, with bounds near the values that random portfolios hold."""

import random
from typing import Any

from domain.vocabulary import Channel, PromiseStatus


def random_condition(rng: random.Random, *, segment: bool, depth: int = 2) -> dict[str, Any]:
    """A condition of one or two filters and, while `depth` allows, inner ones. segment: whether it may ask for that."""
    fields = [field for field in _FILTERS if segment or field != "segment"]
    where = {field: _FILTERS[field](rng) for field in rng.sample(fields, rng.choice([0, 1, 1, 2]))}
    if depth and rng.random() < 0.6:
        inner = [random_condition(rng, segment=segment, depth=depth - 1) for _ in range(rng.randrange(3))]
        where |= rng.choice([{"and": inner}, {"or": inner}, {"not": inner[0]} if inner else {}])
    return where


def _text(*values: str) -> Any:
    def make(rng: random.Random) -> dict[str, Any]:
        value = rng.choice(values)
        return rng.choice(
            [
                {"eq": value},
                {"in": rng.sample(values, rng.randrange(len(values) + 1))},
                {"startsWith": value[: rng.randrange(len(value) + 1)]},
                {"isNull": rng.random() < 0.5},
                {"isNull": False, "startsWith": value[:1]},
                {},
            ]
        )

    return make


def _bounds(values: list[Any], *operators: str, **fixed: Any) -> Any:
    def make(rng: random.Random) -> dict[str, Any]:
        chosen = rng.sample(operators, rng.choice([1, 1, 2]))
        return fixed | {
            name: rng.random() < 0.5 if name == "isNull" else rng.choice(values) for name in chosen
        }

    return make


def _money(currency: str, rng: random.Random) -> dict[str, Any]:
    bounds = _bounds(_MONEY, "lt", "lte", "gt", "gte", currency=currency)
    return bounds(rng) if rng.random() < 0.9 else {"currency": currency}


def _attributes(rng: random.Random) -> list[dict[str, Any]]:
    one = rng.choice(
        [
            {"key": "x_score", "gte": 7},
            {"key": "x_score", "lt": 12.5},
            {"key": "x_score", "eq": "12.5"},
            {"key": "x_score", "in": ["high", "7"]},
            {"key": "x_vip", "eq": "true"},
            {"key": "x_none", "isNull": True},
            {"key": "x_score", "isNull": False, "gte": 0},
        ]
    )
    return [one] if rng.random() < 0.8 else [one, {"key": "x_vip", "isNull": True}]


def _some(words: Any) -> Any:
    return lambda rng: [word.value for word in rng.sample(list(words), rng.randrange(len(words)))]


_DAYS = [-5, 0, 1, 2, 15, 30, 31, 60, 100, 2**31 - 1]
_MONEY = ["0", "10.25", "40", "80.25", "120", "9999999999999999999999999", "-1"]
_DATES = ["2024-01-01", "2025-06-01", "2025-01-01", "9999-12-31"]
_INSTANTS = ["2026-01-15T00:00:00Z", "2026-03-01T06:00:00+01:00", "2026-03-20T12:00:00Z"]

_FILTERS = {
    "reference": _text("D0001", "D0010", "X"),
    "name": _text("ada D0001", "ÁDA D0002", "O'Neil: 100% D0003", "ZOË", "Ævar"),
    "country": _text("ES", "DK", "FR"),
    "region": _text("ES-MD", "ES-CT"),
    "language": _text("es", "da"),
    "segment": _text("VIP", "NONE", "EARLY-SMALL-CARD", "LATE"),
    "product": _text("CARD", "LOAN", "Überziehung"),
    "daysPastDue": _bounds(_DAYS, "eq", "lt", "lte", "gt", "gte"),
    "balance": lambda rng: _money(rng.choice(["EUR", "DKK", "USD"]), rng),
    "lastContactedAt": _bounds(_INSTANTS, "lt", "lte", "gt", "gte", "isNull"),
    "customerSince": _bounds(_DATES, "eq", "lt", "lte", "gt", "gte"),
    "birthDate": _bounds(_DATES, "eq", "lt"),
    "promiseStatus": _some(PromiseStatus),
    "reachableBy": _some(Channel),
    "attributes": _attributes,
}
