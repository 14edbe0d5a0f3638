"""Running the API as a process, on a database that is fit for use."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from api.databases import DatabaseServer, verify_database
from api.http import create_app
from api.http.connections import BoundedConnection
from api.http.requests import MAX_BODY
from api.logs import configure_logs, log_failure
from api.services import Services
from api.settings import Settings
from api.wiring import open_services
from api.worker_child import WorkerChild
from ml.artefact import ArtefactError

logger = logging.getLogger("dunwell")

#: As many as `Champions` keeps.
_WARMED = 8
#: How long requests under way may take to end after a stop was asked for.
_DRAIN_SECONDS = 5


class AddressInUse(Exception):
    """The API cannot listen where it was told to."""

    code = "ADDRESS_NOT_AVAILABLE"


def serve(
    server: DatabaseServer,
    settings: Settings,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None],
) -> None:
    """Serve on `listener` until SIGINT or SIGTERM, and close it; on the embedded database with a worker beside it.

    on_ready: called with the base address once requests are answered.

    Raises:
        DatabaseUnreachable, SchemaBehind, UnsafeRole: the database is not fit for use.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    configure_logs()
    try:
        asyncio.run(verify_database(server))
        with (
            WorkerChild() if server.embedded else nullcontext(),
            asyncio.Runner(loop_factory=_loop) as runner,
        ):
            runner.run(_serve(server, settings, listener, lambda: on_ready(_address(listener))))
    except KeyboardInterrupt:  # asked to: the end of a server is no failure
        pass
    finally:
        listener.close()


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Both signals unwind the stack, so that everything that was started is stopped on the way."""
    raise KeyboardInterrupt


async def _serve(
    server: DatabaseServer, settings: Settings, listener: socket.socket, on_ready: Callable[[], None]
) -> None:
    async with open_services(server, settings) as services:
        config = server_config(create_app(services, settings))
        # What was imported stays: looking through it whenever an answer makes many objects costs a third of the answer.
        gc.collect()
        gc.freeze()
        # uvicorn raises the signal that stopped it once more when it is done; by then the stop is under way.
        warming = asyncio.create_task(warm_up(services))
        with contextlib.suppress(KeyboardInterrupt):
            await _Api(config, on_ready).serve(sockets=[listener])
        warming.cancel()


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How the API is served: within limits, quietly, without telling by what."""
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,  # four kilobytes would unpack to as much as may come, from anybody
        log_config=None,  # its warnings are logged as everything else is
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        server_header=False,
    )


async def warm_up(services: Services) -> None:
    """Read the models of the first tenants ahead, so that nobody waits for it."""
    try:
        for tenant_id in (await services.database.tenant_ids())[:_WARMED]:
            await _warm_up(services, tenant_id)
    except Exception as error:
        log_failure(error, where=["warm_up"])


async def _warm_up(services: Services, tenant_id: int) -> None:
    now = datetime.now(UTC)
    try:
        await services.recommendations.for_segments(
            tenant_id, segments=None, within=None, channels=None, as_of=now, now=now
        )
    except ArtefactError as error:
        logger.warning("the model of tenant %d does not open (%s: %s)", tenant_id, error.code, error)
    except Exception as error:  # the next tenant's may be fine
        log_failure(error, where=["warm_up", tenant_id])


class _Api(uvicorn.Server):
    """Says when it has begun to answer."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Take the address to serve on: early, so that nothing is done in vain when it cannot be had.

    Nobody is let in yet: until `serve` is ready, connections are refused.

    Raises:
        AddressInUse: somebody else listens there, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressInUse(
            f"The API cannot listen on {host}:{port} ({error.strerror}). "
            "Stop what listens there, or choose another --port, or a --host of this machine."
        ) from None
    listener.setblocking(False)
    return listener


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
