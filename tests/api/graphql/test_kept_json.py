"""Rows kept as JSON: the instants of each answer are put in, and nothing else is taken for them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from api.graphql.json_rows import to_json
from api.graphql.kept_json import Dated, KeptJson
from api.graphql.scalars import show_instant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sending(Dated):
    """Of a segment's name: when to write to it, and then again."""

    name: str
    send_at: tuple[datetime | None, ...]

    @property
    def lasting(self) -> tuple[object, ...]:
        return (self.name,)

    @property
    def instants(self) -> tuple[datetime | None, ...]:
        return self.send_at

    def at(self, instants: tuple[datetime | None, ...]) -> "Sending":
        return Sending(self.name, instants)


def answered(kept: KeptJson, *rows: Sending) -> list[dict[str, object]]:
    def complete(whole):
        return [
            to_json({"name": each.name, "sendAt": [at and show_instant(at) for at in each.send_at]})
            for each in whole
        ]

    return orjson.loads(orjson.dumps(kept.fragments("all", None, rows, complete, show_instant)))


@pytest.mark.parametrize("name", ["A", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000009Z", "\x1e\\"])
def test_a_name_is_told_as_it_is_and_instants_are_those_of_the_answer(name: str) -> None:
    kept = KeptJson()
    for days in range(3):
        instants = (NOON + timedelta(days), None, NOON + timedelta(days, microseconds=10))
        (found,) = answered(kept, Sending(name, instants))
        assert found == {"name": name, "sendAt": [at and show_instant(at) for at in instants]}
