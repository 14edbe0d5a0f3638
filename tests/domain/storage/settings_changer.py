"""Whoever changes a tenant's settings to and fro, as a process of its own, for tests that kill it.

Arguments: the owner's URL, a tenant's key, a file of JSON: the settings, each of which is set in its turn.
"""

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path

from domain.storage.tenants import change_settings
from tests.facts import NOW


async def main(url: str, key: str, file: Path) -> None:
    for settings in cycle(json.loads(file.read_text())):
        await change_settings(url, key=key, changes=settings, now=NOW)


if __name__ == "__main__":
    print("changing", flush=True)
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
