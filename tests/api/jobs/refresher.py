"""A refresher as a process of its own, for tests that kill it. Argument: the database's URL."""

import sys
import threading

from api.jobs.refreshing import RollupRefresher

RollupRefresher(sys.argv[1]).start()
print("refreshing", flush=True)
threading.Event().wait()
