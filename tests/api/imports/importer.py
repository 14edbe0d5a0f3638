"""An import as a process of its own, for tests that kill it: many small parts, two side by side.

Arguments: the database's URL, a tenant's id, the folder, the file for bad lines.
"""

import asyncio
import sys
from pathlib import Path

from api.imports import csv_table, import_folder
from api.imports.parts import Parts
from domain.storage.sessions import Database
from tests.facts import NOW


async def main(url: str, tenant_id: int, folder: Path, rejects: Path) -> None:
    database = Database(url, pool_size=2)
    csv_table._BLOCK = 400
    print("importing", flush=True)
    await import_folder(
        database, tenant_id, folder, rejects=rejects, now=NOW, parts=Parts(rows=10, writers=2)
    )
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])))
