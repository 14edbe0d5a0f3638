"""Queries made at random from the schema: aliases, fragments, directives, variables, arguments good and bad."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from domain.vocabulary import BounceKind, Channel, PromiseStatus

ROOTS = ("debtors", "debtors", "debtorByReference", "debtor", "communications", "promises", "node", "nodes")
OTHERS = ("segments", "campaigns", "segmentsPendingSince", "modelVersions")
#: What ordinary execution asks others than storage for, or answers anew each time.
LEFT_OUT = {"recommendation", "plan", "lift"}
INSTANT, LATER = "2026-03-01T00:00:00Z", "2026-04-20T13:00:00.5+02:00"
TEXT_FILTERS: tuple[dict[str, Any], ...] = (
    {"startsWith": "D00"},
    {"eq": "D0000010"},
    {"in": []},
    {"in": ["D0000010", "ES", "es", "CARD"]},
    {"isNull": True},
    {"isNull": False},
    {"startsWith": None},
    {"startsWith": "a"},
    {},
)
DAY_FILTERS: tuple[dict[str, Any], ...] = (
    {"gte": "2026-01-01"},
    {"lt": "2026-04-01", "gt": "2025-01-01"},
)
INSTANT_FILTERS: tuple[dict[str, Any], ...] = (
    {"gte": INSTANT},
    {"lt": LATER, "gt": INSTANT},
    {"isNull": True},
)


@dataclass
class Pool:
    """What there is to ask for: ids by type, references, and cursors by list."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    cursors: dict[str, list[str]] = field(default_factory=dict)


class Operation:
    """One operation under construction."""

    def __init__(self, schema: GraphQLSchema, pool: Pool, rng: random.Random) -> None:
        self._schema, self._pool, self._rng = schema, pool, rng
        self._declared: list[str] = []
        self._fragments: list[str] = []
        self._names = 0
        self.variables: dict[str, Any] = {}

    def write(self) -> str:
        """The whole document."""
        rng, query = self._rng, self._schema.query_type
        assert query is not None
        fields = []
        for name in rng.sample(ROOTS, rng.choice([1, 1, 1, 2, 3])):
            fields.append(self._field(query, name, 0, alias=self._name("r")))
        if rng.random() < 0.05:
            fields.append(self._field(query, rng.choice(OTHERS), 2))
        if rng.random() < 0.1:
            fields.append("__typename")
        body = self._wrapped("Query", fields)
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        return "\n".join([f"query Generated{declared} {{ {body} }}", *self._fragments])

    def _name(self, letter: str) -> str:
        self._names += 1
        return f"{letter}{self._names}"

    # ---------- selections ----------

    def _field(self, kind: GraphQLObjectType, name: str, depth: int, alias: str = "") -> str:
        if name == "__typename":
            return name
        rng, definition = self._rng, kind.fields[name]
        if not alias and rng.random() < 0.12:
            alias = self._name("a")
        written = f"{alias}: {name}" if alias else name
        arguments = self._arguments(kind, name, definition)
        below = self._selection(get_named_type(definition.type), depth + 1)
        return f"{written}{arguments}{self._directive()}{below}"

    def _directive(self) -> str:
        rng = self._rng
        if rng.random() > 0.06:
            return ""
        word = rng.choice(["include", "skip"])
        wanted = rng.random() < (0.8 if word == "include" else 0.2)
        if rng.random() < 0.5:
            return f" @{word}(if: {json.dumps(wanted)})"
        return f" @{word}(if: {self._variable('Boolean!', wanted)})"

    def _selection(self, kind: Any, depth: int) -> str:
        if is_leaf_type(kind):
            return ""
        if isinstance(kind, GraphQLInterfaceType):
            return f" {{ {self._node(depth)} }}"
        assert isinstance(kind, GraphQLObjectType), kind
        if "edges" in kind.fields:
            return f" {{ {self._connection(kind, depth)} }}"
        chosen = self._chosen(kind, depth)
        return f" {{ {self._wrapped(kind.name, [self._field(kind, name, depth) for name in chosen])} }}"

    def _chosen(self, kind: GraphQLObjectType, depth: int) -> list[str]:
        rng = self._rng
        plain = [name for name, each in kind.fields.items() if is_leaf_type(get_named_type(each.type))]
        deep = [name for name in kind.fields if name not in plain and name not in LEFT_OUT]
        # What is left to ordinary execution, seldom: most operations are to be compiled.
        plain = [
            name
            for name in plain
            if name not in ("attributes", "where", "debtorCount") or rng.random() < 0.02
        ]
        chosen = rng.sample(plain, rng.randint(1, len(plain))) if plain else ["__typename"]
        if depth < 7 and deep:
            chosen += rng.sample(deep, min(len(deep), rng.choice([0, 0, 1, 1] if depth > 3 else [1, 1, 2])))
        if rng.random() < 0.15:
            chosen.append(rng.choice(chosen))
        rng.shuffle(chosen)
        return chosen

    def _connection(self, kind: GraphQLObjectType, depth: int) -> str:
        rng, parts = self._rng, []
        if rng.random() < 0.9:
            edge = get_named_type(kind.fields["edges"].type)
            assert isinstance(edge, GraphQLObjectType)
            inner = [self._field(edge, "node", depth + 2)] if rng.random() < 0.95 else ["cursor"]
            inner += ["cursor"] * (rng.random() < 0.3) + ["__typename"] * (rng.random() < 0.1)
            rng.shuffle(inner)
            parts.append(f"edges{self._directive()} {{ {' '.join(inner)} }}")
        if rng.random() < 0.4 or not parts:
            names = ["hasNextPage", "hasPreviousPage", "startCursor", "endCursor", "__typename"]
            parts.append(f"pageInfo {{ {' '.join(rng.sample(names, rng.randint(1, 4)))} }}")
        parts += ["totalCount"] * (rng.random() < 0.15) + ["__typename"] * (rng.random() < 0.1)
        rng.shuffle(parts)
        return self._wrapped(kind.name, parts)

    def _node(self, depth: int) -> str:
        rng, parts = self._rng, ["id"] * (self._rng.random() < 0.7)
        for name in rng.sample(sorted(self._pool.ids), rng.randint(0, 3)):
            kind = self._schema.type_map[name]
            assert isinstance(kind, GraphQLObjectType)
            parts.append(f"... on {name}{self._directive()}{self._selection(kind, depth + 1)}")
        return " ".join([*parts, "__typename"])

    def _wrapped(self, kind: str, fields: Sequence[str]) -> str:
        """Some of the fields inside fragments."""
        rng, plain = self._rng, list(fields)
        if rng.random() < 0.15:
            at = rng.randrange(len(plain))
            on = "" if rng.random() < 0.3 else f" on {kind}"
            plain[at] = f"...{on}{self._directive()} {{ {plain[at]} }}"
        if rng.random() < 0.12:
            name, at = self._name("F"), rng.randrange(len(plain))
            self._fragments.append(f"fragment {name} on {kind} {{ {' '.join(plain[at:])} }}")
            plain[at:] = [f"...{name}{self._directive()}"] * rng.choice([1, 1, 2])
        return " ".join(plain)

    # ---------- arguments ----------

    def _arguments(self, kind: GraphQLObjectType, name: str, definition: GraphQLField) -> str:
        rng, written = self._rng, []
        for argument, declared in definition.args.items():
            needed = isinstance(declared.type, GraphQLNonNull)
            if not needed and rng.random() < 0.5:
                continue
            value = self._value(kind.name, name, argument)
            if not needed and rng.random() < 0.05:
                value = None
            if rng.random() < 0.5:
                written.append(f"{argument}: {self._variable(str(declared.type), value)}")
            else:
                written.append(f"{argument}: {self._literal(value, declared.type)}")
        return f"({', '.join(written)})" if written else ""

    def _variable(self, kind: str, value: Any) -> str:
        name, rng = self._name("v"), self._rng
        optional = not kind.endswith("!")
        default = " = null" if optional and rng.random() < 0.1 else ""
        self._declared.append(f"${name}: {kind}{default}")
        if not (optional and rng.random() < 0.05):
            self.variables[name] = value
        return f"${name}"

    def _literal(self, value: Any, kind: Any) -> str:
        kind = kind.of_type if is_non_null_type(kind) else kind
        if value is None:
            return "null"
        if isinstance(value, list):
            inner = kind.of_type if is_list_type(kind) else kind
            return f"[{', '.join(self._literal(each, inner) for each in value)}]"
        if is_list_type(kind):
            return self._literal(value, kind.of_type)
        if isinstance(value, dict):
            fields = getattr(kind, "fields", {})
            members = (
                f"{key}: {self._literal(each, fields[key].type)}"
                for key, each in value.items()
                if key in fields
            )
            return f"{{{', '.join(members)}}}"
        if hasattr(kind, "values") and isinstance(value, str):
            return value
        return json.dumps(value)

    def _value(self, kind: str, name: str, argument: str) -> Any:
        rng = self._rng
        match argument:
            case "first":
                return rng.choice([0, 1, 2, 3, 5, 5, 8, 20, 100] if rng.random() < 0.97 else [-1, 101])
            case "after":
                return self._cursor(name if kind == "Query" else f"debtor.{name}")
            case "reference":
                return rng.choice([*self._pool.references, "nobody", ""])
            case "id":
                return self._id(None if name == "node" else "Debtor")
            case "ids":
                return [self._id(None) for _ in range(rng.randrange(5))]
            case "orderBy":
                return self._order()
            case _:
                return {
                    "debtors": self._debtors_where,
                    "communications": self._communications_where,
                    "promises": self._promises_where,
                }[name](0)

    def _cursor(self, name: str) -> str:
        rng = self._rng
        if rng.random() < 0.04:
            return rng.choice(["", "nonsense", *self._pool.cursors.get("promises", [])])
        return rng.choice(self._pool.cursors.get(name) or [""])

    def _id(self, kind: str | None) -> str:
        rng = self._rng
        if rng.random() < 0.04:
            return rng.choice(["", "nonsense", "Rm9vOjE=", "TW9kZWxWZXJzaW9uOjE=", "RGVidG9yOjk5OTk5OTk5"])
        if rng.random() < 0.03:
            kind = None
        return rng.choice(self._pool.ids[kind or rng.choice(sorted(self._pool.ids))])

    def _order(self) -> list[dict[str, Any]]:
        rng = self._rng
        names = rng.sample(["REFERENCE", "NAME", "DAYS_PAST_DUE", "LAST_CONTACTED_AT", "BALANCE"], 2)
        order: list[dict[str, Any]] = []
        for name in names[: rng.choice([0, 1, 1, 2])]:
            key: dict[str, Any] = {"field": name}
            if rng.random() < 0.7:
                key["direction"] = rng.choice(["ASC", "DESC"])
            if (name == "BALANCE") == (rng.random() < 0.95):
                key["currency"] = rng.choice(["EUR", "USD"])
            order.append(key)
        return order

    def _debtors_where(self, depth: int) -> dict[str, Any]:
        rng, text = self._rng, self._rng.choice(TEXT_FILTERS)
        choices: list[dict[str, Any]] = [
            {rng.choice(["reference", "name", "country", "language", "segment", "product"]): text},
            {"daysPastDue": rng.choice([{"gte": 30}, {"lt": 10}, {"gt": 5, "lte": 90}, {"eq": 0}])},
            {"balance": {"currency": "EUR", rng.choice(["gt", "lt", "gte"]): "100.50"}},
            {"balance": {"currency": "EUR", "gt": 12}},
            {"lastContactedAt": rng.choice(INSTANT_FILTERS)},
            {"customerSince": rng.choice(DAY_FILTERS)},
            {"promiseStatus": rng.sample([each.value for each in PromiseStatus], rng.randrange(3))},
            {"reachableBy": rng.sample([each.value for each in Channel], rng.randrange(3))},
            {"attributes": [{"key": "x_risk", "gte": 2}]},
            {},
        ]
        where = dict(rng.choice(choices))
        if depth < 2 and rng.random() < 0.3:
            inner = self._debtors_where(depth + 1)
            where |= rng.choice([{"and": [inner]}, {"or": [inner, {}]}, {"not": inner}, {"or": []}])
        return where

    def _communications_where(self, _: int) -> dict[str, Any]:
        rng = self._rng
        choices: list[dict[str, Any]] = [
            {rng.choice(["debtor", "template", "campaign", "agent"]): rng.choice(TEXT_FILTERS)},
            {"channel": rng.choice([{"eq": "EMAIL"}, {"in": ["SMS", "LETTER"]}, {"in": []}])},
            {"direction": rng.choice(["INBOUND", "OUTBOUND"])},
            {rng.choice(["sentAt", "openedAt", "clickedAt", "landedAt"]): rng.choice(INSTANT_FILTERS)},
            {"bounceKind": rng.choice(list(BounceKind)).value},
        ]
        return rng.choice(choices) | rng.choice(choices)

    def _promises_where(self, _: int) -> dict[str, Any]:
        rng = self._rng
        choices: list[dict[str, Any]] = [
            {rng.choice(["debtor", "account", "agent"]): rng.choice(TEXT_FILTERS)},
            {"status": rng.sample([each.value for each in PromiseStatus], rng.randrange(3))},
            {"direction": "INBOUND"},
            {"dueOn": {"gte": "2026-01-01"}},
            {"promisedAt": rng.choice(INSTANT_FILTERS)},
        ]
        return rng.choice(choices) | rng.choice(choices)
