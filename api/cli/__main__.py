"""`python -m api.cli`, the same as `dunwell`."""

from api.cli import main

main()
