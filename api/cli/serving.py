"""Verbs that run processes: serve, worker, export-schema."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import edge

if TYPE_CHECKING:
    from api.databases import DatabaseServer

HostOption = Annotated[str, typer.Option(help="The address to listen on.")]
PortOption = Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)]


@edge.app.command()
def serve(host: HostOption = "127.0.0.1", port: PortOption = 8000) -> None:
    """Serve the API. On the embedded default this also migrates the database and runs a worker."""
    from api.serving import listen
    from api.serving import serve as serve_api

    settings = edge.settings()
    with listen(host, port) as listener, edge.server() as server:
        serve_api(server, settings, listener, on_ready=_announce)


def _announce(address: str) -> None:
    edge.out.print(f"Serving {address}/graphql. Stop with Ctrl-C.")


@edge.app.command()
def worker(
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", hidden=True, help="Run as the child of a server.")
    ] = False,
) -> None:
    """Work on background jobs until stopped: trainings, KPIs counted ahead, segments, forecasts to keep.

    What is unfinished then is carried on by the next worker.
    """
    from api.worker_child import be_modest, end_with_parent

    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    if until_input_ends:
        be_modest()
        end_with_parent()
    status = 0
    try:
        with edge.server() as server:
            status = _work(server, ending)
    except SystemExit as ended:  # its terminal was closed
        status = int(ended.code or 0)
    except BaseException as error:
        edge.report(error)
        status = 1
    finally:
        # A training's thread may still be busy; waiting for it would take minutes and bring nothing.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _work(server: DatabaseServer, ending: threading.Event) -> int:
    from api.logs import configure_logs
    from api.worker_child import end_with_database
    from api.working import training_worker

    configure_logs()
    if server.embedded:
        end_with_database(server.app_url, ending)
    with training_worker(server, edge.settings()) as running:
        while not ending.wait(0.5):
            if running.lost.is_set():
                ending.set()
                return 1
    return 0


@edge.app.command("export-schema")
def export_schema() -> None:
    """Print the GraphQL schema (SDL); the same is committed as schema.graphql."""
    from api.graphql.schema import sdl

    sys.stdout.write(sdl().rstrip("\n") + "\n")
