"""What every benchmark reports, and where it is written."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass
class Report:
    """One benchmark: figures by name, and goals, each with what was reached."""

    name: str
    figures: dict[str, object] = field(default_factory=dict)
    goals: list[dict[str, object]] = field(default_factory=list)

    def note(self, name: str, value: object) -> None:
        """Keep and print a figure."""
        self.figures[name] = value
        shown = f"{value:,.4g}" if isinstance(value, float) else value
        print(f"  {name}: {shown}", flush=True)

    def goal(
        self, what: str, reached: float, *, at_most: float | None = None, at_least: float | None = None
    ) -> bool:
        """Hold a figure against its goal; answers whether it is met."""
        met = (at_most is None or reached <= at_most) and (at_least is None or reached >= at_least)
        bound = f"at most {at_most:g}" if at_most is not None else f"at least {at_least:g}"
        self.goals.append({"goal": what, "reached": reached, "bound": bound, "met": met})
        print(f"  {'met' if met else 'MISSED'}: {what} {reached:,.4g} (goal: {bound})", flush=True)
        return met

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the block takes, in seconds."""
        begun = time.perf_counter()
        yield
        self.note(f"{name}_seconds", round(time.perf_counter() - begun, 2))

    def write(self) -> bool:
        """Write the report; answers whether every goal is met."""
        RESULTS.mkdir(exist_ok=True)
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        (RESULTS / f"{self.name}.json").write_text(json.dumps({**asdict(self), **machine}, indent=1) + "\n")
        return all(goal["met"] for goal in self.goals)
