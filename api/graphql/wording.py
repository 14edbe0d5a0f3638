"""The executor's messages without the values they quote: a value may be a name or a phone number, and error texts
travel far (into logs of clients, into tickets). `locations` and the path in the message tell where it stands.

Source: the messages of graphql-core 3.3 (`validate_input_value`, its scalars, its lexer and parser).
"""

import re

_LEXED = "(?:Name|Int|Float|String|BlockString)"
_CUTS = (
    # ... to be an object, found: {'name': 'Jane Doe'}.
    (re.compile(r"\? Found: .*", re.DOTALL), "?"),
    (re.compile(r", found: .*", re.DOTALL), "."),
    # ..., but encountered error 'Exceeds the limit ...'; found: 999.
    (re.compile(r", but encountered error .*", re.DOTALL), "; this one cannot be read."),
    # String cannot represent a non string value: 7
    (re.compile(r"(cannot represent [a-z0-9\- ]*value): .*", re.DOTALL), r"\1."),
    # Value 'PIGEON' does not exist in 'Channel' enum. Did you mean ...
    (re.compile(r"Value .* (does not exist in '\w+' enum)", re.DOTALL), r"The value \1"),
    # Unexpected Name 'Doe'. / Expected '(', found String "Jane Doe".
    (re.compile(rf"^(Syntax Error: (?:Unexpected|.*, found) {_LEXED}) ['\"].*", re.DOTALL), r"\1."),
    # A key of a variable's object that no schema could name.
    (re.compile(r"(unknown field) (?!'[_A-Za-z][_0-9A-Za-z]{0,63}'(?:$|[.,]))'.*", re.DOTALL), r"\1."),
    # ... not to be None: in Python's word, not in GraphQL's.
    (re.compile(r"not to be None\.$"), "not to be null."),
)
# Variable '$input' has invalid value at [1].dueOn: ... / Argument 'first' has invalid value: ...
_PLACE = re.compile(
    r"(?:Variable '\$|Argument ')(\w+)' has invalid (?:default )?value(?: at ((?:\.\w+|\[\d+\])+))?: "
)
# ... Expected value of type 'PeriodInput' to include required field 'from'.
_NAMED = re.compile(
    r"Expected value of type '\w+' (?:to include required|not to include unknown) field "
    r"'([_A-Za-z][_0-9A-Za-z]{0,63})'(?:$|[.,])"
)


def without_values(message: str) -> str:
    """The message with every quoted value left out."""
    for pattern, instead in _CUTS:
        message = pattern.sub(instead, message)
    return message


def place_of(message: str) -> list[str] | None:
    """Where the value stands that a message is about, a field that is missing or unknown included: the name of the
    variable or argument, then fields and indices; None where it is about no value."""
    found = _PLACE.match(message)
    if found is None:
        return None
    named = _NAMED.match(message, found.end())
    return [found[1], *re.findall(r"\w+", found[2] or ""), *([named[1]] if named else [])]
