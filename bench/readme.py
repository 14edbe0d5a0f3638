"""Asks a running demo the queries of README.md and writes its real answers below them.

    make run                                  # in one terminal
    python -m bench.readme ADDRESS KEY        # in another, as `make run` prints them

Each GraphQL block of the page is followed by one JSON block, which is replaced.
"""

import json
import re
import sys
import urllib.request
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "README.md"
_PAIR = re.compile(r"(```graphql\n(.*?)```\n\n```json\n)(.*?)(```)", re.DOTALL)
_WIDTH = 118


def ask(address: str, key: str, query: str) -> object:
    """The data of an answer."""
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        found = json.load(answer)
    if "errors" in found:
        raise SystemExit(f"{found['errors'][0]['message']}\n{query}")
    return found["data"]


def written(value: object, indent: int = 0, name: str = "") -> str:
    """JSON with as much on a line as fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent + len(name) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [written(item, indent + 2) for item in value]
        return "[\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + "]"
    named = [(json.dumps(key) + ": ", item) for key, item in value.items()]
    parts = [key + written(item, indent + 2, key) for key, item in named]
    return "{\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + "}"


def main(address: str, key: str) -> None:
    """Renew the page."""
    page = _PAGE.read_text(encoding="utf-8")
    renewed = _PAIR.sub(lambda pair: f"{pair[1]}{written(ask(address, key, pair[2]))}\n{pair[4]}", page)
    _PAGE.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
