"""The command line, `dunwell`: every verb of docs/contract/cli.md that there is."""

from api.cli.edge import run


def main() -> None:
    """Run the verb that was asked for; exit status 0 only when all of it was done."""
    from api.cli import (  # each adds its verbs
        demo,
        documents,
        facts,
        keys,
        models,
        planning,
        serving,
        setup,
        training,
    )

    run(setup, keys, documents, facts, training, models, planning, serving, demo)
