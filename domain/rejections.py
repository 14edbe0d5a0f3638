"""Why a row of facts is not taken: stable codes, and the sentence a person reads.

The codes are a promise to those who automate on them: one is never renamed nor given another meaning. `docs/import.md`
prints them. A sentence names the column and what is wrong, never the value: a shifted row may hold a name or a phone
number in any column.
"""

from enum import StrEnum


class RejectCode(StrEnum):
    """What is wrong with a row."""

    MISSING = "MISSING"
    TOO_LONG = "TOO_LONG"
    INVALID_TEXT = "INVALID_TEXT"
    INVALID_REFERENCE = "INVALID_REFERENCE"
    INVALID_ATTRIBUTE = "INVALID_ATTRIBUTE"
    UNKNOWN_WORD = "UNKNOWN_WORD"
    UNKNOWN_COUNTRY = "UNKNOWN_COUNTRY"
    UNKNOWN_CURRENCY = "UNKNOWN_CURRENCY"
    UNKNOWN_TIME_ZONE = "UNKNOWN_TIME_ZONE"
    INVALID_REGION = "INVALID_REGION"
    INVALID_LANGUAGE = "INVALID_LANGUAGE"
    INVALID_PHONE = "INVALID_PHONE"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NOT_A_BOOLEAN = "NOT_A_BOOLEAN"
    NOT_A_DATE = "NOT_A_DATE"
    NOT_A_MONTH = "NOT_A_MONTH"
    NOT_AN_INSTANT = "NOT_AN_INSTANT"
    NAIVE_INSTANT = "NAIVE_INSTANT"
    IMPOSSIBLE_DATE = "IMPOSSIBLE_DATE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_POSITIVE = "NOT_POSITIVE"
    NEGATIVE = "NEGATIVE"
    ENDS_BEFORE_START = "ENDS_BEFORE_START"
    EMPTY_WINDOW = "EMPTY_WINDOW"
    DUE_BEFORE_PROMISED = "DUE_BEFORE_PROMISED"
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    DEBTOR_MISMATCH = "DEBTOR_MISMATCH"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    DEBTOR_CHANGED = "DEBTOR_CHANGED"
    CURRENCY_CHANGED = "CURRENCY_CHANGED"
    CONFLICT = "CONFLICT"
    RAGGED_ROW = "RAGGED_ROW"
    MALFORMED_CSV = "MALFORMED_CSV"
    INVALID_UTF8 = "INVALID_UTF8"


#: Code: the sentence. `{column}` is the offending column, `{expected}` what that column holds.
_SENTENCES: dict[RejectCode, str] = {
    RejectCode.MISSING: "{column} is empty; give {expected}.",
    RejectCode.TOO_LONG: "{column} is too long; give {expected}.",
    RejectCode.INVALID_TEXT: (
        "{column} is no text, or holds characters that are none (NUL or half a surrogate pair); give {expected}."
    ),
    RejectCode.INVALID_REFERENCE: "{column} holds control characters such as a tab or a line break; remove them.",
    RejectCode.INVALID_ATTRIBUTE: (
        "{column} is no custom attribute; name it x_ and more, and give text of at most 2,000 characters, a number "
        "within 64 bits, true, false or null."
    ),
    RejectCode.UNKNOWN_WORD: "{column} is none of the words it may be; give {expected}.",
    RejectCode.UNKNOWN_COUNTRY: "{column} is no ISO 3166-1 alpha-2 code in capitals, such as ES.",
    RejectCode.UNKNOWN_CURRENCY: "{column} is no ISO 4217 code in capitals, such as EUR.",
    RejectCode.UNKNOWN_TIME_ZONE: "{column} is no IANA time zone, such as Europe/Madrid.",
    RejectCode.INVALID_REGION: "{column} is no ISO 3166-2 code, such as ES-MD.",
    RejectCode.INVALID_LANGUAGE: "{column} is no BCP 47 tag, such as es or pt-BR.",
    RejectCode.INVALID_PHONE: "{column} is no E.164 number: + and 2 to 15 digits, no spaces.",
    RejectCode.NOT_A_NUMBER: "{column} is not a number; give {expected}.",
    RejectCode.NOT_A_BOOLEAN: "{column} is neither true nor false.",
    RejectCode.NOT_A_DATE: "{column} is no date; give {expected}.",
    RejectCode.NOT_A_MONTH: "{column} is no month; give YYYY-MM.",
    RejectCode.NOT_AN_INSTANT: "{column} is no instant; give {expected}.",
    RejectCode.NAIVE_INSTANT: "{column} has no offset; say which, as in 2026-03-01T09:30:00+01:00 or …Z.",
    RejectCode.IMPOSSIBLE_DATE: "{column} names a date or a time that does not exist; correct it.",
    RejectCode.OUT_OF_RANGE: "{column} is out of range; give {expected}.",
    RejectCode.NOT_POSITIVE: "{column} must be above 0.",
    RejectCode.NEGATIVE: "{column} must not be below 0.",
    RejectCode.ENDS_BEFORE_START: "{column} lies before the date it starts on; correct one of them.",
    RejectCode.EMPTY_WINDOW: "{column} equals from_hour, which leaves no hour; give two different hours.",
    RejectCode.DUE_BEFORE_PROMISED: (
        "{column} lies before the date of promised_at as the debtor's clock showed it; correct one of them."
    ),
    RejectCode.UNKNOWN_REFERENCE: (
        "{column} names nothing that is stored or accepted here; send it first, or look for its own rejection."
    ),
    RejectCode.DEBTOR_MISMATCH: "{column} belongs to another debtor than this row; correct one of them.",
    RejectCode.CURRENCY_MISMATCH: "{column} is not the account's currency; correct it, or use another account.",
    RejectCode.DEBTOR_CHANGED: (
        "{column} differs from the stored one, whose events, payments or promises refer to this communication; "
        "send a new communication instead."
    ),
    RejectCode.CURRENCY_CHANGED: (
        "{column} differs from the stored one, in which the account has payments or promises; correct those in the "
        "same data set, or send a new account."
    ),
    RejectCode.CONFLICT: (
        "{column} came with other values before, here or in what is stored; keep one row, or use another {column}."
    ),
    RejectCode.RAGGED_ROW: (
        "The row has more or fewer fields than the header; quote fields that hold a comma or a line break."
    ),
    RejectCode.MALFORMED_CSV: (
        "The row breaks the rules of quotes (RFC 4180), or holds a field over 128 kB; correct it."
    ),
    RejectCode.INVALID_UTF8: "The row is not UTF-8; save the file as UTF-8.",
}


#: Of an item's custom attributes as a whole; it has no place for values.
_NO_ATTRIBUTES = (
    'attributes must be an object whose keys begin with x_, such as {"x_score": 7}; left out, they stay.'
)


def sentence(code: RejectCode, *, column: str, expected: str) -> str:
    """The reason of a rejection for people. `expected` stands in where the code's sentence has a place."""
    if (code, column) == (RejectCode.INVALID_ATTRIBUTE, "attributes"):
        return _NO_ATTRIBUTES
    return _SENTENCES[code].format(column=column, expected=expected)
