"""What every process that queues or runs jobs must agree on.

Job tables live in a schema of their own and hold ids only: DBOS knows nothing of row-level security. Everything is
written as JSON, for what a pickle holds only the code that wrote it can read.
"""

import logging

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy.engine import make_url

from api.jobs.tables import SCHEMA
from domain.storage.sessions import APP_ROLE

APPLICATION = "dunwell"
TRAINING_QUEUE = "training"

#: The shape of the workflows. A worker carries on only what was begun under the same: raise it when the order or the
#: names of a workflow's steps change.
VERSION = "1"

SERIALIZER = DBOSPortableJSONSerializer()


def job_url(url: str) -> str:
    """`url` (any PostgreSQL spelling) as DBOS reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def create_job_tables(owner_url: str) -> None:
    """Bring the job tables to the newest schema and let the app's role use them; by the owner, when migrating."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS.migrate(job_url(owner_url), schema=SCHEMA, application_role=APP_ROLE)


def worker_config(url: str, executor_id: str) -> DBOSConfig:
    """The configuration of a worker: nothing is sent anywhere but to PostgreSQL.

    executor_id: unique among live workers; two with one id would run live work twice.
    """
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=job_url(url),
        dbos_system_schema=SCHEMA,
        serializer=SERIALIZER,
        executor_id=executor_id,
        application_version=VERSION,
        # The owner migrates; a worker has no right to.
        run_migrations=False,
        # Trainings take minutes: asking once a second is quick enough, and works through a pooler.
        use_listen_notify=False,
        sys_db_pool_size=5,
        enable_otlp=False,
        log_level="WARNING",
    )
