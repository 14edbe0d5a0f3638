"""relay-compiler: connections, refetching by id, unions and subscriptions as Relay expects them."""

import json
import re
import shutil
from pathlib import Path

from tests.api.judges.node import HERE, node
from tests.api.portfolio import Api
from tests.conftest import ROOT

OPERATIONS = {
    "portfolioPageQuery",
    "portfolioListPaginationQuery",
    "portfolioDebtorRefetchQuery",
    "portfolioPromoteMutation",
    "portfolioProgressSubscription",
}


async def compiled(place: Path) -> dict[str, str]:
    """The documents that the compiler makes, by name."""
    shutil.copytree(HERE / "relay", place / "src")
    shutil.copy(ROOT / "schema.graphql", place)
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript"}
    (place / "relay.config.json").write_text(json.dumps(config))
    (place / "node_modules").symlink_to(HERE / "node_modules")
    await node("node_modules/relay-compiler/cli.js", "relay.config.json", cwd=place)
    texts = {}
    for artefact in (place / "src/__generated__").glob("*.graphql.js"):
        found = re.search(r'"text": (".*")', artefact.read_text())
        if found:
            texts[artefact.name.removesuffix(".graphql.js")] = json.loads(found[1])
    return texts


async def test_what_relay_compiles_is_served(api: Api, tmp_path: Path) -> None:
    texts = await compiled(tmp_path)
    assert texts.keys() == OPERATIONS
    page = (await api.ask(texts["portfolioPageQuery"], first=2))["debtors"]
    assert {"cursor", "node"} <= page["edges"][0].keys(), "the compiler asks for what paging needs"
    again = await api.ask(
        texts["portfolioListPaginationQuery"], first=2, after=page["pageInfo"]["endCursor"], where=None
    )
    shown = {edge["node"]["reference"] for edge in page["edges"]}
    assert shown.isdisjoint(edge["node"]["reference"] for edge in again["debtors"]["edges"])
    node_id = page["edges"][0]["node"]["id"]
    assert (await api.ask(texts["portfolioDebtorRefetchQuery"], id=node_id))["node"]["reference"] in shown
