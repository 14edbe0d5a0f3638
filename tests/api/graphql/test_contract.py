"""The schema as served holds the contract: the same names, arguments, types and nullability, nothing looser."""

import re
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    parse,
    print_ast,
    validate,
)
from graphql.pyutils import Undefined

from api.graphql.schema import sdl
from tests.conftest import ROOT

CONTRACT = build_schema((ROOT / "docs/contract/schema.graphql").read_text())


@pytest.fixture(scope="module")
def served() -> GraphQLSchema:
    return build_schema(sdl())


def differences(contract: GraphQLSchema, served: GraphQLSchema) -> Iterator[str]:
    for name, expected in contract.type_map.items():
        if name.startswith("__"):
            continue
        found = served.type_map.get(name)
        if type(found) is not type(expected):
            yield f"{name}: {found!r}, expected {expected!r}"
        elif isinstance(expected, GraphQLEnumType):
            if set(expected.values) != set(found.values):
                yield f"{name}: values {sorted(found.values)}"
        elif isinstance(expected, GraphQLUnionType):
            if {member.name for member in expected.types} != {member.name for member in found.types}:
                yield f"{name}: members {found.types}"
        elif isinstance(expected, GraphQLInputObjectType):
            yield from _differing_inputs(name, expected.fields, found.fields)
        elif isinstance(expected, GraphQLObjectType | GraphQLInterfaceType):
            if {each.name for each in expected.interfaces} != {each.name for each in found.interfaces}:
                yield f"{name}: interfaces {found.interfaces}"
            yield from _differing_fields(name, expected.fields, found.fields)


def _differing_fields(owner, expected, found) -> Iterator[str]:
    for name, field in expected.items():
        path = f"{owner}.{name}"
        if name not in found:
            yield f"{path}: missing"
        elif str(found[name].type) != str(field.type):
            yield f"{path}: {found[name].type}, expected {field.type}"
        else:
            yield from _differing_inputs(path, field.args, found[name].args)


def _differing_inputs(owner, expected, found) -> Iterator[str]:
    for name, given in expected.items():
        if name not in found:
            yield f"{owner}({name}): missing"
            continue
        if str(found[name].type) != str(given.type):
            yield f"{owner}({name}): {found[name].type}, expected {given.type}"
        if _default(found[name]) != _default(given):
            yield f"{owner}({name}): default {_default(found[name])}, expected {_default(given)}"
    for name, added in found.items():
        if name not in expected and str(added.type).endswith("!") and _default(added) is None:
            yield f"{owner}({name}): added and required"


def _default(given) -> object:
    if given.default is None or given.default is Undefined:
        return None
    literal = getattr(given.default, "literal", None)
    return print_ast(literal) if literal is not None else given.default.value


def test_nothing_of_the_contract_is_missing_or_looser(served: GraphQLSchema) -> None:
    assert list(differences(CONTRACT, served)) == []


def test_a_field_that_could_be_null_would_be_noticed(served: GraphQLSchema) -> None:
    looser = build_schema(sdl().replace("daysPastDue: Int!", "daysPastDue: Int"))
    assert "Debtor.daysPastDue: Int, expected Int!" in list(differences(CONTRACT, looser))


def test_every_type_field_argument_and_word_says_what_it_is(served: GraphQLSchema) -> None:
    silent = []
    for name, kind in served.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        if not kind.description:
            silent.append(name)
        silent += [
            f"{name}.{word}" for word, each in getattr(kind, "values", {}).items() if not each.description
        ]
        for field_name, field in getattr(kind, "fields", {}).items():
            if not field.description:
                silent.append(f"{name}.{field_name}")
            silent += [
                f"{name}.{field_name}({argument})"
                for argument, given in getattr(field, "args", {}).items()
                if not given.description
            ]
    assert silent == []


def test_the_committed_schema_is_the_one_served() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl(), "run `dunwell export-schema > schema.graphql`"


def test_the_examples_of_the_documentation_are_good(served: GraphQLSchema) -> None:
    examples = [
        example
        for page in (ROOT / "docs").glob("*.md")
        for example in re.findall(r"```graphql\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert len(examples) >= 9
    assert [validate(served, parse(example)) for example in examples] == [[]] * len(examples)
