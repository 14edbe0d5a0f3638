"""A writer as a process of its own, for tests that kill it.

Arguments: the database's URL, a tenant's id, a file of JSON: a list of parts, each a list of [table, row]. It sends
every part and says so; a part that is known already changes nothing.
"""

import asyncio
import json
import sys
from pathlib import Path

from domain.storage.sessions import Database
from tests.domain.storage.ingest.test_order import as_data_set
from tests.facts import merge_facts


async def main(url: str, tenant_id: int, file: Path) -> None:
    database = Database(url, pool_size=1)
    for at, part in enumerate(json.loads(file.read_text())):
        await merge_facts(database, tenant_id, as_data_set(part))
        print(at, flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
