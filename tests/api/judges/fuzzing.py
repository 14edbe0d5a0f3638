"""schemathesis against a served portfolio: operations of the schema with random arguments, and real ids among them.

Each operation is tallied: how many cases, how many answered with data, which errors were named, and what went wrong.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import schemathesis
from graphql import parse_value
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.graphql import nodes
from schemathesis.graphql.checks import GraphQLClientError

from tests.api.portfolio import operation
from tests.conftest import ROOT

#: How often an argument with a dictionary takes a word of it.
_OFTEN = 0.8
_INSTANTS = (
    "2026-01-01T00:00:00Z",
    "2026-03-01T00:00:00+01:00",
    "2026-04-15T12:00:00Z",
    "2026-05-01T00:00:00Z",
)
_STRANGE_INSTANTS = (
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-02-30T00:00:00Z",
    "soon",
    "",
)
#: Usual days and instants, in days from now.
_AWAY = (-365, -60, -30, -7, 7)
_STRANGE_DAYS = ("0001-01-01", "9999-12-31", "2026-02-29", "")
_AMOUNTS = ("0", "0.01", "25.00", "1234.5")
_STRANGE_AMOUNTS = ("-1", "99999999999999999999", "0.000000000000000001", "NaN", "1e400", "-Infinity", "")


def _mostly(usual: Sequence[str], strange: Sequence[str]) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.sampled_from(usual)] * 4, st.sampled_from(strange)).map(nodes.String)


schemathesis.graphql.scalar("Decimal", _mostly(_AMOUNTS, _STRANGE_AMOUNTS))
schemathesis.graphql.scalar(
    "JSON",
    st.one_of(
        st.text(max_size=5).map(nodes.String),
        st.integers().map(nodes.Int),
        st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float),
        st.sampled_from(["{}", '{x_income_band: "LOW"}', "{x_a: [1, {b: null}]}"]).map(parse_value),
    ),
)


@dataclass
class Tally:
    """What became of an operation's cases."""

    cases: int = 0
    with_data: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def count(self, answer: Mapping[str, Any]) -> None:
        self.cases += 1
        self.codes.update(error["extensions"]["code"] for error in answer.get("errors", ()))
        found = (answer.get("data") or {}).values()
        self.with_data += "errors" not in answer and any(value is not None for value in found)


async def seed_decisions(client: httpx.AsyncClient, now: datetime) -> dict[str, list[str]]:
    """Let a model decide, plan a campaign and begin a training, so that there are some; the words that name them."""
    versions = await client.post(
        "/graphql", json={"query": operation("ModelVersions"), "variables": {"first": 1}}
    )
    (version,) = _nodes(versions.json()["data"]["modelVersions"])
    promoting = {"query": operation("PromoteModel"), "variables": {"id": version["id"]}}
    assert (await client.post("/graphql", json=promoting)).status_code == 200
    plan = {"name": "May", "within": {"from": now.isoformat(), "to": (now + timedelta(days=7)).isoformat()}}
    planned = await client.post(
        "/graphql", json={"query": operation("PlanCampaign"), "variables": {"input": plan}}
    )
    training = await client.post(
        "/graphql", json={"query": operation("TrainModels"), "variables": {"input": {}}}
    )
    assert planned.json()["data"]["planCampaign"]["plannedCount"] > 0, planned.text
    runs = [training.json()["data"]["trainModels"]["id"]]
    return {"Query.trainingRun.id": runs, "*.cancelTraining.id": runs}


async def words_of(client: httpx.AsyncClient) -> dict[str, list[str | int]]:
    """Real ids, references, keys and cursors, by the argument that takes them (`*` stands for any type or field)."""
    asked = """{
        debtors(first: 5) { edges { cursor node { id reference
          accounts(first: 2) { edges { cursor node { id reference } } }
          communications(first: 2) { edges { cursor node { id reference template campaign } } }
          promises(first: 2) { edges { cursor node { id reference } } }
          payments(first: 2) { edges { cursor node { id reference } } } } } }
        communications(first: 3) { edges { cursor } } promises(first: 3) { edges { cursor } }
        segments { key }
        modelVersions(first: 3) { edges { cursor node { id } } }
        campaigns(first: 3) { edges { cursor node { id plan(first: 2) { edges { cursor node { id } } } } } } }"""
    response = await client.post("/graphql", json={"query": asked})
    found = response.json()["data"]
    debtors = _nodes(found["debtors"])
    lists = {name: [row for one in debtors for row in _nodes(one[name])] for name in _OF_A_DEBTOR}
    campaigns = _nodes(found["campaigns"])
    decisions = [row["id"] for one in campaigns for row in _nodes(one["plan"])]
    versions = [row["id"] for row in _nodes(found["modelVersions"])]
    everything = [row["id"] for row in debtors] + [rows[0]["id"] for rows in lists.values() if rows]
    references = [row["reference"] for row in debtors]
    accounts = [row["reference"] for row in lists["accounts"]]
    sent = [row["reference"] for row in lists["communications"]]
    return {
        "*.node.id": everything + decisions[:1] + versions[:1],
        "*.nodes.ids[*]": everything,
        "Query.debtor.id": [row["id"] for row in debtors],
        "*.debtorByReference.reference": references,
        "Query.decision.id": decisions,
        "Query.campaign.id": [row["id"] for row in campaigns],
        "*.promoteModel.id": versions,
        "*.debtorRecommendations.references[*]": references,
        "*.decide.input.references[*]": references,
        "*.segmentRecommendations.segments[*]": [row["key"] for row in found["segments"]],
        **{f"Query.{name}.after": _cursors(found[name]) for name in ("debtors", *_LISTS)},
        **{
            f"Debtor.{name}.after": [c for one in debtors for c in _cursors(one[name])]
            for name in _OF_A_DEBTOR
        },
        **{f"*.upsert{name}.input[*].reference": ["NEW-1", "NEW-2"] for name in ("Debtors", "Accounts")},
        "*.upsertDebtors.input[*].country": ["ES", "DK"],
        **{f"*.{name}.input[*].debtor": references for name in ("upsertAccounts", *_OF_DEBTORS)},
        **{f"*.{name}.input[*].account": accounts for name in _OF_ACCOUNTS},
        "*.recordEvents.input[*].communication": sent,
        **{
            f"*.{name}.input[*].currency": ["EUR", "DKK", "XXX"] for name in ("upsertAccounts", *_OF_ACCOUNTS)
        },
        "*.planCampaign.input.budget.currency": ["EUR"],
        "*.kpiForecast.horizonDays": [1, 28],
    }


_OF_A_DEBTOR = ("accounts", "communications", "promises", "payments")
_LISTS = ("communications", "promises", "modelVersions", "campaigns")
_OF_DEBTORS = ("recordCommunications", "recordEvents")
_OF_ACCOUNTS = ("recordCommunications", "recordPayments", "recordPromises")


def _nodes(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]


def _cursors(connection: Mapping[str, Any]) -> list[str]:
    return [edge["cursor"] for edge in connection["edges"]]


def fuzz(
    url: str,
    headers: Mapping[str, str],
    words: Mapping[str, Sequence[str | int]],
    *,
    cases: int,
    now: datetime,
    only: Iterable[str] | None = None,
) -> dict[str, Tally]:
    """So many cases of each operation, or of those named (`Query.debtors`); it takes a thread of its own."""
    _live_at(now)
    schema = schemathesis.graphql.from_path(str(ROOT / "schema.graphql"), config=_config(words))
    schema.config.update(base_url=url, request_timeout=60)
    tallies = {}
    for found in schema.get_all_operations():
        fuzzed = found.ok()
        if only is None or fuzzed.label in only:
            tallies[fuzzed.label] = _fuzz_operation(fuzzed, headers, cases)
    return tallies


def _live_at(now: datetime) -> None:
    away = [now + timedelta(days=days) for days in _AWAY]
    schemathesis.graphql.scalar("DateTime", _mostly([each.isoformat() for each in away], _STRANGE_INSTANTS))
    schemathesis.graphql.scalar("Date", _mostly([each.date().isoformat() for each in away], _STRANGE_DAYS))


def _config(words: Mapping[str, Sequence[str | int]]) -> SchemathesisConfig:
    usable = {path: list(found) for path, found in words.items() if found}
    names = {path: f"words{number}" for number, path in enumerate(usable)}
    return SchemathesisConfig.from_dict(
        {
            "dictionaries": {names[path]: {"values": found} for path, found in usable.items()},
            "parameters": {path: {"dictionary": names[path], "probability": _OFTEN} for path in usable},
        }
    )


def _fuzz_operation(fuzzed: Any, headers: Mapping[str, str], cases: int) -> Tally:
    tally = Tally()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=fuzzed.as_strategy())
    def send(case: Any) -> None:
        response = case.call(headers=headers)
        try:
            case.validate_response(response)
        except FailureGroup as group:
            tally.faults += [
                f"{each}\n{case.body}"
                for each in group.exceptions
                if not isinstance(each, GraphQLClientError)
            ]
        tally.count(response.json())

    for number in range(cases):
        if tally.cases < cases:  # an operation with few arguments is soon exhausted: the same again, then
            seed(number)(send)()
    return tally
