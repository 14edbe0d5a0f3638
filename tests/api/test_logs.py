"""What servers and workers log goes one way, whoever logs it."""

import json
import subprocess
import sys

from tests.api.cli.command import environment
from tests.conftest import ROOT

_LOGGED = """
import logging
from api.logs import configure_logs
configure_logs()
from dbos import DBOS
from api.jobs.system import worker_config
DBOS(config=worker_config("postgresql://nobody@127.0.0.1:1/none", "worker-1"))
logging.getLogger("dbos").warning("no such row\\nDETAIL: Key (name)=(Ana) is not present")
logging.getLogger("dunwell.worker").warning("trying %d times", 3)
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("dunwell.training").info("not worth a line")
try:
    raise ValueError("Ana")
except ValueError:
    logging.getLogger("dunwell.worker").exception("this worker ends")
"""


def test_libraries_and_modules_log_json_too_and_no_details() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOGGED],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment(),
    )
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("dbos", "warning", "no such row"),
        ("dunwell.worker", "warning", "trying 3 times"),
        ("uvicorn.error", "warning", "Invalid HTTP request received."),
        ("dunwell.worker", "error", "this worker ends"),
    ]
    assert all("timestamp" in line for line in lines)
