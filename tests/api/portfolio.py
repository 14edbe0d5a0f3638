"""The sample portfolio in a tenant of its own, and a client that speaks to the real application about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from graphql import (
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    parse,
    print_ast,
    visit,
)
from graphql.language import Visitor

from tests.conftest import ROOT

#: The instant the tests live at: after the last fact of the sample.
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SAMPLE = ROOT / "tests/data/sample/facts"
OPERATIONS = parse((ROOT / "docs/contract/operations.graphql").read_text())


def operation(name: str) -> str:
    """One of the contract's operations with the fragments it uses, as clients send it."""
    fragments = {d.name.value: d for d in OPERATIONS.definitions if isinstance(d, FragmentDefinitionNode)}
    (found,) = [
        d
        for d in OPERATIONS.definitions
        if isinstance(d, OperationDefinitionNode) and d.name is not None and d.name.value == name
    ]
    needed: dict[str, FragmentDefinitionNode] = {}

    class Spreads(Visitor):
        def enter_fragment_spread(self, spread: FragmentSpreadNode, *_: object) -> None:
            fragment = fragments[spread.name.value]
            if fragment.name.value not in needed:
                needed[fragment.name.value] = fragment
                visit(fragment, Spreads())

    visit(found, Spreads())
    return "\n".join(print_ast(definition) for definition in (found, *needed.values()))


def operation_names() -> list[str]:
    """The names of the contract's operations, in their order."""
    return [d.name.value for d in OPERATIONS.definitions if isinstance(d, OperationDefinitionNode) and d.name]


@dataclass(frozen=True)
class Api:
    """A client of the application with one key."""

    client: httpx.AsyncClient
    key: str

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Send a body as it is."""
        return await self.client.post(
            "/graphql", json=body, headers={"Authorization": f"Bearer {self.key}", **headers}
        )

    async def send(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer to a query."""
        response = await self.post({"query": query, "variables": variables})
        answer: dict[str, Any] = response.json()
        return answer

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer that must be without errors."""
        answer = await self.send(query, **variables)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    async def error(self, query: str, **variables: Any) -> Mapping[str, Any]:
        """The one error of an answer that must have one."""
        answer = await self.send(query, **variables)
        assert len(answer.get("errors", [])) == 1, answer
        error: Mapping[str, Any] = answer["errors"][0]
        return error
