"""How large an operation may be, checked before it runs; a refusal says the number and the limit."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.graphql.errors import (
    BAD_USER_INPUT,
    LIMIT_EXCEEDED,
    PARSE_FAILED,
    UNKNOWN_OPERATION,
    VALIDATION_FAILED,
    coded,
    placed,
)
from api.graphql.literals import NUL, RULES
from api.graphql.personal import personal_use
from api.graphql.sizes import Size, has_filters_by_variables, sizes_of
from domain.filters import MOST_CONDITIONS, MOST_VALUES

MAX_LENGTH = 100_000
MAX_TOKENS = 4_000
MAX_COMMENTS = 500
MAX_NESTING = 50
#: Of values, lists and objects included: as many as 1,000 items with all of their fields and a hundred attributes each.
MAX_VALUES = 120_000
#: Each becomes an input with all of its fields, which takes a tenth of a millisecond, and nobody else is answered then.
MAX_OBJECTS = 10_000
#: How many characters of documents are remembered in all; a parsed one takes some hundred bytes for each.
REMEMBERED = 300_000

#: Where a value stands among the variables: its name or index, and the place of what holds it.
_Place = tuple[str | int, "_Place | None"]


#: The largest operation served. The contract's own need 8, 76, 0, 0 and 1,100; tools introspect 15 levels deep.
LIMITS = Size(
    depth=18,
    fields=400,
    aliases=30,
    directives=30,
    nodes=25_000,
    conditions=MOST_CONDITIONS,
    values=MOST_VALUES,
)
#: What a refusal calls what is counted.
_WORDS = {
    "depth": "levels of fields",
    "fields": "fields",
    "aliases": "aliases",
    "directives": "directives",
    "nodes": "items of lists, lists in lists multiplied",
    "conditions": "conditions in its filters and orders",
    "values": "values in the lists of its filters",
}
#: What variables decide, too.
_BY_VARIABLES = ("nodes", "conditions", "values")


def oversize(document: DocumentNode, variables: Mapping[str, Any] | None = None) -> list[GraphQLError]:
    """One error per limit that an operation of the document exceeds; without variables, could exceed."""
    errors = []
    for size in sizes_of(document, variables):
        for what in Size.__slots__:
            found, limit = getattr(size, what), getattr(LIMITS, what)
            if found > limit:
                message = f"The operation has {found:,} {_WORDS[what]}; at most {limit:,} are served."
                errors.append(_limit_error(message, what, found, limit))
    return errors


def _limit_error(message: str, what: str, found: int | None, limit: int) -> GraphQLError:
    return GraphQLError(
        message, extensions={"code": LIMIT_EXCEEDED, "limited": what, "found": found, "limit": limit}
    )


def _unread(error: GraphQLError) -> GraphQLError:
    """Why a document could not be read; the parser stops at a limit, so how far it is exceeded nobody knows."""
    for what, limit in (("tokens", MAX_TOKENS), ("comments", MAX_COMMENTS)):
        if f"Document contains more than {limit} {what}" in error.message:
            message = f"The document has more than {limit:,} {what}; no more are served."
            return _limit_error(message, what, None, limit)
    return coded(error, PARSE_FAILED)


def check_variables(variables: Mapping[str, Any] | None) -> None:
    """Refuse what no argument can be: more values than are served, values nested beyond reading, and text that cannot
    be stored.

    Raises:
        GraphQLError: LIMIT_EXCEEDED, BAD_USER_INPUT.
    """
    pending: list[tuple[object, int, _Place | None]] = [(variables, 0, None)]
    values = objects = 0
    while pending:
        value, depth, place = pending.pop()
        if depth > MAX_NESTING:
            raise _bad_variables(f"The variables are nested more than {MAX_NESTING} levels deep.", None)
        if isinstance(value, dict | list):
            values, objects = values + len(value), objects + isinstance(value, dict)
            _check_amount("variables", "values", values, MAX_VALUES)
            _check_amount("objects", "objects", objects, MAX_OBJECTS)
        if isinstance(value, dict):
            for name, inner in value.items():
                if "\x00" in name:
                    raise _bad_variables(f"{_where(place)} a name that holds {NUL}", place)
                pending.append((inner, depth + 1, (name, place)))
        elif isinstance(value, list):
            pending += [
                (inner, depth + 1, (at, place))
                for at, inner in enumerate(value)
                if not isinstance(inner, str) or "\x00" in inner  # long lists are mostly of plain texts
            ]
        elif isinstance(value, str) and "\x00" in value:
            raise _bad_variables(f"{_where(place)} {NUL}", place)


def _check_amount(limited: str, what: str, found: int, limit: int) -> None:
    """Refuse more of something than the variables may hold; how much there is in all nobody counts."""
    if found > limit:
        message = f"The variables hold more than {limit:,} {what}; no more are served."
        raise _limit_error(message, limited, None, limit)


def _where(place: _Place | None) -> str:
    """The begin of a refusal: the variable and the place in it, spelled as where a value does not fit its type."""
    names = _names(place)
    if not names:
        return "The variables hold"
    inside = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names[1:])
    return f"Variable '${names[0]}' holds" + (f" at {inside}" if inside else "")


def _names(place: _Place | None) -> list[str | int]:
    """The way to a place, from the variable on."""
    names: list[str | int] = []
    while place is not None:
        name, place = place
        names.append(name)
    return names[::-1]


def _bad_variables(message: str, place: _Place | None) -> GraphQLError:
    where = [str(name) for name in _names(place)]
    return GraphQLError(
        message, extensions={"code": BAD_USER_INPUT, **({"argument": where} if where else {})}
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read and checked once."""

    document: DocumentNode | None
    errors: list[GraphQLError]
    depends_on_variables: bool = False

    @property
    def is_ambiguous(self) -> bool:
        """Whether it takes a name to know which operation is meant."""
        definitions = self.document.definitions if self.document else ()
        return sum(isinstance(each, OperationDefinitionNode) for each in definitions) > 1

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of a name, or the only one; None where there is no such, or the document cannot be read."""
        return None if self.document is None else get_operation_ast(self.document, name)

    def is_served(
        self,
        schema: GraphQLSchema,
        operation_name: str | None,
        variables: Mapping[str, Any],
        *,
        reads_personal_data: bool,
    ) -> bool:
        """Whether there is nothing to be said against the document with these variables for this caller."""
        try:
            check_variables(variables)
        except GraphQLError:
            return False
        return not self.refusals(schema, operation_name, variables, reads_personal_data=reads_personal_data)

    def refusals(
        self,
        schema: GraphQLSchema,
        operation_name: str | None,
        variables: Mapping[str, Any],
        *,
        reads_personal_data: bool,
    ) -> list[GraphQLError]:
        """Why it is not executed with these variables for this caller; empty when it is."""
        if self.document is None or self.errors:
            return self.errors
        errors = oversize(self.document, variables) if self.depends_on_variables else []
        if not errors and not reads_personal_data:
            return personal_use(schema, self.document, operation_name, variables)
        return errors


class Documents:
    """Reads and checks documents, and remembers the latest by their text."""

    def __init__(self, *, production: bool) -> None:
        self._production = production
        self._rules = (*RULES, OneOfInputValidationRule)
        if production:
            self._rules = (*self._rules, NoSchemaIntrospectionCustomRule)
        self._known: OrderedDict[str, Prepared] = OrderedDict()
        self._remembered = 0

    def prepare(self, schema: GraphQLSchema, text: str) -> Prepared:
        """The document of a text and what is wrong with it."""
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
            return found
        prepared = self._prepare(schema, text)
        if len(text) > MAX_LENGTH:  # it would make all others forgotten
            return prepared
        self._known[text] = prepared
        self._remembered += len(text)
        while self._remembered > REMEMBERED:
            forgotten, _ = self._known.popitem(last=False)
            self._remembered -= len(forgotten)
        return prepared

    def _prepare(self, schema: GraphQLSchema, text: str) -> Prepared:
        if len(text) > MAX_LENGTH:
            message = f"The document has {len(text):,} characters; at most {MAX_LENGTH:,} are served."
            return Prepared(None, [_limit_error(message, "length", len(text), MAX_LENGTH)])
        try:
            document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
        except GraphQLError as error:
            return Prepared(None, [_unread(error)])
        over = oversize(document)
        if any((error.extensions or {})["limited"] not in _BY_VARIABLES for error in over):
            return Prepared(document, over)
        found = validate(schema, document, self._rules, max_errors=20, hide_suggestions=self._production)
        errors = [placed(error, VALIDATION_FAILED) for error in _each_once(found)]
        by_variables = bool(over) or has_filters_by_variables(document)
        return Prepared(document, errors, depends_on_variables=by_variables)


def _each_once(errors: Iterable[GraphQLError]) -> list[GraphQLError]:
    """Each mistake once, with all places where it stands: repeating it in a document repeats no work for anybody."""
    places: dict[str, list[Node]] = {}
    first: dict[str, GraphQLError] = {}
    for error in errors:
        first.setdefault(error.message, error)
        places.setdefault(error.message, []).extend(error.nodes or ())
    return [
        GraphQLError(message, places[message], extensions=error.extensions)
        for message, error in first.items()
    ]


class PrepareDocument(SchemaExtension):
    """Takes reading and checking of documents over from Strawberry: once per text, within limits."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._errors: list[GraphQLError] = []

    def on_parse(self) -> Iterator[None]:
        """Set the document; raise the first thing wrong with one that cannot be read."""
        context = self.execution_context
        prepared = self._documents.prepare(context.schema._schema, context.query or "")
        if prepared.document is None:
            raise prepared.errors[0]
        check_variables(context.variables)
        if prepared.is_ambiguous and context._provided_operation_name is None:
            message = "The document has several operations; name the one to run in operationName."
            raise GraphQLError(message, extensions={"code": UNKNOWN_OPERATION})
        context.graphql_document = prepared.document
        self._errors = prepared.refusals(
            context.schema._schema,
            context._provided_operation_name,
            context.variables or {},
            reads_personal_data=context.context.caller.reads_personal_data,
        )
        yield

    def on_validate(self) -> Iterator[None]:
        """Set what is wrong with the document; nothing more is checked."""
        self.execution_context.pre_execution_errors = list(self._errors)
        yield
