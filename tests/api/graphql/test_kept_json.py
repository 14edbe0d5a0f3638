"""Rows kept as JSON: the instants of each answer are put in, and nothing else is taken for them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from api.graphql import kept_json
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


def answered(
    kept: KeptJson, *rows: Sending, key: object = "all", made: list[int] | None = None
) -> list[dict[str, object]]:
    def complete(whole):
        if made is not None:
            made.append(len(whole))
        return [
            to_json({"name": each.name, "sendAt": [at and show_instant(at) for at in each.send_at]})
            for each in whole
        ]

    def show(instant):
        return to_json(show_instant(instant))

    return orjson.loads(b"".join(kept.pieces(key, None, rows, complete, show)))


@pytest.mark.parametrize("name", ["A", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000009Z", "\x1e\\"])
def test_a_name_is_told_as_it_is_and_instants_are_those_of_the_answer(name: str) -> None:
    kept = KeptJson()
    for days in range(3):
        instants = (NOON + timedelta(days), None, NOON + timedelta(days, microseconds=10))
        (found,) = answered(kept, Sending(name, instants))
        assert found == {"name": name, "sendAt": [at and show_instant(at) for at in instants]}


def test_rows_are_made_once_until_many_others_have_been_asked_for(monkeypatch) -> None:
    """By selections, of which each keeps a document, and by rows; none is an answer of another selection."""
    monkeypatch.setattr(kept_json, "_SELECTIONS", 3)
    monkeypatch.setattr(kept_json, "_KEPT", 10)
    kept, made = KeptJson(), []
    rows = [Sending(name, (NOON,)) for name in "abcd"]
    for key in (1, 1, 2, 1, 3, 1):
        assert [row["name"] for row in answered(kept, *rows, key=key, made=made)] == list("abcd")
    assert made == [4, 4, 4]
    answered(kept, key=4)
    answered(kept, *rows, key=1, made=made)
    assert made == [4, 4, 4]
    answered(kept, *rows, key=2, made=made)  # of its rows two had to go for those of the third
    assert made == [4, 4, 4, 2]
