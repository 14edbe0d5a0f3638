"""A worker whose learning takes a while, for tests that kill it. Arguments: URL, folder, seconds of learning."""

import sys
import time
from datetime import datetime
from pathlib import Path

from api.jobs.training import Progress
from api.jobs.worker import Worker
from domain.storage.models import TrainedVersion
from domain.storage.sessions import Database

#: Seconds of a worker that has no room for a history.
DISK_FULL = -2.0


class SlowLearner:
    """Leaves a line in `folder/trace` for whatever it is asked to do."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._trace = folder / "trace"
        self._seconds = seconds

    def _note(self, line: str) -> None:
        with self._trace.open("a") as file:
            file.write(line + "\n")

    async def export(self, database: Database, tenant_id: int, *, as_of: datetime, folder: Path) -> None:
        if self._seconds == DISK_FULL:
            Path("/dev/full").write_text("a history")
        if not folder.exists():
            self._note("export")
            folder.mkdir(parents=True)

    async def champion(self, database: Database, tenant_id: int) -> object | None:
        return None

    def learn(
        self,
        folder: Path,
        *,
        as_of: datetime,
        champion: object | None,
        now: datetime,
        place: str,
        progress: Progress,
    ) -> TrainedVersion:
        self._note("learn begins")
        if self._seconds < 0:
            raise SystemError("learning is broken")
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            progress("learning", 1 - (end - time.monotonic()) / self._seconds)
            time.sleep(0.05)
        self._note("learn ends")
        return TrainedVersion(
            recipe="slow",
            trained_at=now,
            data_from=as_of,
            data_to=as_of,
            rows=1,
            metrics=[],
            gate={"passed": True, "checks": []},
            manifest={},
            artefact=b"",
        )


if __name__ == "__main__":
    url, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    with Worker(url, SlowLearner(folder, seconds), folder / "histories"):
        print("working", flush=True)
        time.sleep(600)
