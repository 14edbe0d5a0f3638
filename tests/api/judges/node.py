"""Programs of others in JavaScript, run by the Node that the project's own lock names."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


async def node(script: str, *arguments: str, cwd: Path = HERE, seconds: float = 120) -> str:
    """What a script prints; a failing one fails the test with all it said."""
    assert (cwd / "node_modules").is_dir(), f"{cwd}/node_modules is missing: `make test` sets it up"
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / "node"), script, *arguments),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{script}: {out.decode()}\n{err.decode()}"
    return out.decode()


async def node_json(script: str, *arguments: str, **options: Any) -> Any:
    """What a script prints, as JSON."""
    return json.loads(await node(script, *arguments, **options))
