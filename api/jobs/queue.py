"""Queueing a job in the very transaction that makes its reason: both are there, or neither."""

from dbos import DBOSClient, EnqueueOptions
from sqlalchemy.ext.asyncio import AsyncConnection

from api.jobs.system import APPLICATION, SERIALIZER, TRAINING_QUEUE, VERSION, job_url
from api.jobs.tables import SCHEMA
from api.jobs.training import CLASS, INSTANCE, WORKFLOW


class JobQueue:
    """Where jobs wait for a worker. Opens no connection of its own: it writes through its callers'."""

    def __init__(self, url: str) -> None:
        self._client = DBOSClient(
            system_database_url=job_url(url),
            dbos_system_schema=SCHEMA,
            serializer=SERIALIZER,
            application_name=APPLICATION,
            lazy=True,
        )

    async def enqueue_training(self, connection: AsyncConnection, tenant_id: int, run_id: int) -> None:
        """Hand a queued run to the workers; they see it when the caller's transaction commits."""
        options = EnqueueOptions(
            workflow_name=WORKFLOW,
            queue_name=TRAINING_QUEUE,
            class_name=CLASS,
            instance_name=INSTANCE,
            workflow_id=training_workflow_id(tenant_id, run_id),
            app_version=VERSION,
        )
        await connection.run_sync(
            lambda sync: self._client.enqueue_in_transaction(sync, options, tenant_id, run_id)
        )

    def close(self) -> None:
        """Let go of what the client holds."""
        self._client.destroy()


def training_workflow_id(tenant_id: int, run_id: int) -> str:
    """The workflow of a run: queueing it twice makes one."""
    return f"training-{tenant_id}-{run_id}"


def run_of(workflow_id: str) -> tuple[int, int]:
    """The (tenant id, run id) behind a training's workflow."""
    _, tenant_id, run_id = workflow_id.split("-")
    return int(tenant_id), int(run_id)
