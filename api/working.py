"""Running a worker in this process. Apart from `api.serving`: a worker needs nothing of GraphQL and HTTP, whose loading
takes a second.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from api.databases import DatabaseServer, verify_database
from api.jobs.worker import Worker
from api.settings import Settings
from api.wiring import make_keeper, make_learner, training_folder


@contextmanager
def training_worker(
    server: DatabaseServer, settings: Settings, *, keeps_forecasts: bool = True
) -> Iterator[Worker]:
    """A worker on a database that is fit for use.

    Raises:
        DatabaseUnreachable, SchemaBehind, UnsafeRole: see `open_database`.
    """
    asyncio.run(verify_database(server))
    keepers = (partial(make_keeper, settings),) if keeps_forecasts else ()
    with Worker(server.app_url, make_learner(settings), training_folder(settings), keepers) as worker:
        yield worker
