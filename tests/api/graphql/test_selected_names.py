"""What is asked for below a field, however it is written."""

import pytest
import strawberry

from api.graphql.selected_names import selected_names


@strawberry.type
class Leaf:
    one: int = 1

    @strawberry.field
    def deeper(self) -> "Leaf":
        return Leaf()


@strawberry.type
class Query:
    @strawberry.field
    def leaf(self, info: strawberry.Info) -> Leaf:
        found.append(selected_names(info))
        return Leaf()

    @strawberry.field
    def other(self) -> Leaf:
        return Leaf()


found: list[frozenset[str]] = []
SCHEMA = strawberry.Schema(Query)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ leaf { one } other { deeper { one } } }", {"one"}),
        ("{ leaf { called: deeper { deeper { one } } } }", {"deeper", "one"}),
        ("{ leaf { ... on Leaf { deeper { __typename } } } }", {"deeper", "__typename"}),
        (
            "{ leaf { ...A ...A } } fragment A on Leaf { one ...B } fragment B on Leaf { deeper { one } }",
            {"one", "deeper"},
        ),
        ("{ leaf { one } leaf { deeper { one @skip(if: true) } } }", {"one", "deeper"}),
    ],
)
def test_every_field_below_is_named(query: str, names: set[str]) -> None:
    found.clear()
    assert SCHEMA.execute_sync(query).errors is None
    assert found == [names]
