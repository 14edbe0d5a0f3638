"""A process that holds the server of a home, for tests to signal and kill.

Usage: python holder.py HOME [--no-unwind] [--port N]
Prints one line of JSON when it is attached (or the error), then waits for a signal or the end of its input.
"""

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path

from api.embedded import EmbeddedPostgres, EmbeddedPostgresError, unwind_on_termination


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--no-unwind", action="store_true")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as a terminal starts it: under nohup it would be ignored
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    if not arguments.no_unwind:
        unwind_on_termination()
    try:
        with EmbeddedPostgres.attach(arguments.home, port=arguments.port) as server:
            try:
                say(uid=os.geteuid(), app_url=server.app_url, owner_url=server.owner_url, port=server.port)
                sys.stdin.read()
            finally:
                say(last_words=still_answers(server.app_url))
    except EmbeddedPostgresError as error:
        say(code=error.code, message=error.message)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def still_answers(url: str) -> bool:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute("SELECT true").fetchone() == (True,)


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
