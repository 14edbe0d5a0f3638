"""The command line, `dunwell`: every verb of docs/contract/cli.md that there is."""

from api.cli.edge import run


def main() -> None:
    """Run the verb that was asked for; exit status 0 only when all of it was done."""
    from api.cli import demo, facts, keys, models, planning, serving, setup, training  # each adds its verbs

    run(setup, keys, facts, training, models, planning, serving, demo)
