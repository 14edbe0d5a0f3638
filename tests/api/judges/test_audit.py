"""The server audit of the npm package graphql-http: 61 requirements of the GraphQL-over-HTTP specification."""

from tests.api.judges.conftest import Served
from tests.api.judges.node import node_json

#: What asks for GET, which production leaves off; the specification says MAY.
GET = {"5A70", "D6D5", "6A70"}
#: What sends variables with an introspection query, which production refuses.
INTROSPECTION = {"2EA1", "28B9"}


async def audited(served: Served) -> dict[str, dict[str, str]]:
    found = {result["id"]: result for result in await node_json("audit.mjs", served.url, served.key)}
    assert len(found) == 61
    return found


async def test_every_requirement_is_met(served: Served) -> None:
    unmet = [result for result in (await audited(served)).values() if result["status"] != "ok"]
    assert unmet == []


async def test_in_production_all_but_those_of_get_and_introspection(served_in_production: Served) -> None:
    results = await audited(served_in_production)
    assert {name for name, result in results.items() if result["status"] != "ok"} == GET | INTROSPECTION
    assert {results[name]["status"] for name in GET} == {"notice"}, "a MAY, no more"
