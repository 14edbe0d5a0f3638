"""Homes and holders; whatever a test leaves behind is ended by its process id."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

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
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "home"
    EmbeddedPostgres.attach(folder).release()
    (folder / "postgres/port").unlink()  # copies must not want the same one
    return folder


@pytest.fixture
def used_home(home: Path, _template: Path) -> Path:
    """A home that was used and stopped before; quicker than a first start."""
    shutil.copytree(_template, home)
    return home


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Start a process that holds a home: `hold(home, *options)`."""
    started: list[subprocess.Popen[str]] = []

    def start(home: Path, *options: str) -> Holder:
        process = spawn([sys.executable, str(HOLDER), str(home), *options])
        started.append(process)
        return first_words(process)

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
