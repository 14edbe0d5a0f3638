"""The example clients: made from the schema, compiled, and run against the application."""

import asyncio
import os
import shutil
from pathlib import Path

import httpx
import pytest

from tests.api.judges.conftest import Served
from tests.api.judges.node import BIN
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(
    not os.environ.get("DUNWELL_TEST_LONG"), reason="installs its own packages: `make conformance`"
)
PRINTED = ("D000", "days, ", "QUEUED", "RUNNING", "FAILED")


async def printed_for(served: Served) -> list[str]:
    """What an example says of the portfolio, its largest segment's advice included."""
    async with httpx.AsyncClient(headers=served.headers) as client:
        answer = await client.post(served.url, json={"query": "{ segments { key debtorCount } }"})
    segments = answer.json()["data"]["segments"]
    largest = max(segments, key=lambda segment: segment["debtorCount"])
    assert largest != segments[0]
    return [*PRINTED, f"\n{largest['key']}: WHATSAPP on TUESDAY at 18:00"]


class Example:
    """A copy of an example and of what it reads of the checkout, with the packages it was set up with."""

    def __init__(self, place: Path, name: str, packages: str) -> None:
        self.folder = place / "examples" / name
        installed = ROOT / "examples" / name / packages
        assert installed.is_dir(), f"{installed} is missing: `make conformance` sets it up"
        ignored = shutil.ignore_patterns(packages, "build", "generated.ts", "dunwell_client", ".mypy_cache")
        shutil.copytree(ROOT / "examples" / name, self.folder, ignore=ignored)
        (self.folder / packages).symlink_to(installed)
        shutil.copy(ROOT / "schema.graphql", place)
        shutil.copytree(ROOT / "docs/contract", place / "docs/contract")

    async def run(self, *command: str | Path, **variables: str) -> tuple[int, str]:
        """The exit status and output of a command in the example's folder."""
        path = os.pathsep.join((str(self.folder / "node_modules/.bin"), str(BIN), os.environ["PATH"]))
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=self.folder,
            env={**os.environ, "PATH": path, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 240)
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def done(self, *command: str | Path, **variables: str) -> str:
        status, out = await self.run(*command, **variables)
        assert status == 0, out
        return out

    def misspell(self, file: str, right: str, wrong: str) -> None:
        text = (self.folder / file).read_text()
        assert right in text
        (self.folder / file).write_text(text.replace(right, wrong))


async def test_typescript(served: Served, tmp_path: Path) -> None:
    example = Example(tmp_path, "typescript", "node_modules")
    await example.done("graphql-codegen")
    await example.done("tsc")
    out = await example.done("node", "build/main.js", DUNWELL_URL=served.url, DUNWELL_KEY=served.key)
    assert [words for words in await printed_for(served) if words not in out] == [], out
    example.misspell("src/main.ts", "node.daysPastDue", "node.daysPastDeu")
    status, out = await example.run("tsc")
    assert status != 0
    assert "daysPastDeu" in out


async def test_python(served: Served, tmp_path: Path) -> None:
    example = Example(tmp_path, "python", ".venv")
    await example.done(".venv/bin/ariadne-codegen")
    checked = (BIN / "python", "-m", "mypy", "--python-executable", ".venv/bin/python")
    await example.done(*checked)
    out = await example.done(".venv/bin/python", "main.py", DUNWELL_URL=served.url, DUNWELL_KEY=served.key)
    assert [words for words in await printed_for(served) if words not in out] == [], out
    example.misspell("main.py", "debtor.days_past_due", "debtor.days_past_deu")
    status, out = await example.run(*checked)
    assert status != 0
    assert "days_past_deu" in out
