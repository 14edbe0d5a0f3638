"""Executed straight away or by Strawberry with our extensions, an operation is answered alike."""

from collections import Counter
from typing import Any

import pytest

from api.graphql.limits import Prepared
from api.graphql.schema import Schema
from tests.api.portfolio import Api, operation

SEGMENTS = operation("SegmentRecommendations")
PERIOD = {"from": "2026-01-15T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
#: What is executed, and what is refused at any stage of it: bodies of requests.
BODIES: dict[str, dict[str, Any]] = {
    "lasting rows": {"query": SEGMENTS},
    "rows at an instant": {"query": SEGMENTS, "variables": {"asOf": "2026-04-03T07:00:00Z"}},
    "rows by column": {
        "query": operation("MessageKpis"),
        "variables": {"period": PERIOD, "by": ["SEGMENT", "CHANNEL"]},
    },
    "the named of several": {
        "query": "query A { __typename } query B { segments { key } }",
        "operationName": "B",
    },
    "none of several": {"query": "query A { __typename } query B { segments { key } }"},
    "no such name": {"query": "query A { segments { key } }", "operationName": "B"},
    "no document": {"query": "{ segments { key }"},
    "a field that is none": {"query": "{ segments { color } }"},
    "a variable that is none": {"query": SEGMENTS, "variables": {"asOf": "tomorrow"}},
    "a text that cannot be": {"query": SEGMENTS, "variables": {"segments": ["A", "B\x00"]}},
    "an instant that is not served": {"query": SEGMENTS, "variables": {"asOf": "0999-01-01T00:00:00Z"}},
    "a role that may not": {"query": "{ auditLog(first: 1) { edges { node { id } } } }"},
    "a subscription": {"query": "subscription { trainingProgress(id: 1) { stage } }"},
    "too much at once": {
        "query": "query Most($n: Int) { promises(first: 100) { edges { node { debtor { "
        "communications(first: $n) { edges { node { debtor { accounts(first: 100) { edges { node { id } } } } } } "
        "} } } } } }",
        "variables": {"n": 100},
    },
}


async def _answers(api: Api) -> dict[str, tuple[int, bytes]]:
    found = {}
    for name, body in BODIES.items():
        response = await api.post(body)
        found[name] = response.status_code, response.content
    return found


async def test_both_ways_answer_alike(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: Counter[str] = Counter()
    strawberrys = Schema.__mro__[1].execute

    async def counted(*args: Any, **kwargs: Any) -> Any:
        taken["Strawberry"] += 1
        return await strawberrys(*args, **kwargs)

    monkeypatch.setattr(Schema.__mro__[1], "execute", counted)
    straight = await _answers(api)
    refused = taken["Strawberry"]
    monkeypatch.setattr(Prepared, "is_served", lambda *_, **__: False)
    assert await _answers(api) == straight
    assert 0 < refused < taken["Strawberry"] - refused == len(BODIES)
    assert b'"errors"' not in b"".join(straight[name][1] for name in list(BODIES)[:4])
    assert all(b'"code"' in straight[name][1] for name in list(BODIES)[4:])
