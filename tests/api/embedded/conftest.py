"""Homes and holders; whatever a test leaves behind is ended by its process id."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from api.embedded import EmbeddedPostgres
from tests.api.embedded.processes import HOLDER, Holder, first_words, processes_of, spawn


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, still to be made; no process of it outlives the test."""
    folder = tmp_path / "home of a test's own"
    yield folder
    for process in processes_of(tmp_path):
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture(scope="session")
def stopped_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first start and stop; copy it, never start it."""
    folder = tmp_path_factory.mktemp("template") / "home"
    EmbeddedPostgres.attach(folder).release()
    (folder / "postgres/port").unlink()  # copies must not want the same one
    return folder


@pytest.fixture
def used_home(home: Path, stopped_template: Path) -> Path:
    """A home that was used and stopped before; quicker than a first start."""
    shutil.copytree(stopped_template, home)
    return home


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Start a process that holds a home: `hold(home, *options)`; `python` and others say how."""
    started: list[subprocess.Popen[str]] = []

    def start(
        home: Path, *options: str, python: Sequence[str | Path] = (sys.executable, HOLDER), **how: Any
    ) -> Holder:
        started.append(spawn([*map(str, python), str(home), *options], **how))
        return first_words(started[-1])

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
