"""`dunwell train` in the evening, learning for a while. Arguments: URL, tenant, folder, and the instant, if any."""

import sys
from datetime import datetime
from pathlib import Path

from api import working
from api.cli.training import train_and_wait
from api.databases import DatabaseServer
from api.forecasting import keeping
from domain.vocabulary import Promotion
from tests.api.jobs.slow_worker import SlowLearner

_SECONDS = 5.0

if __name__ == "__main__":
    url, tenant, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    as_of = datetime.fromisoformat(sys.argv[4]) if len(sys.argv) > 4 else None
    keeping._KEPT_FROM_HOUR = 0
    working.make_learner = lambda _: SlowLearner(folder, _SECONDS)
    train_and_wait(DatabaseServer(url, url, embedded=False), tenant, as_of=as_of, promote=Promotion.NEVER)
