"""The inputs of the schema. They are read by the domain's own readers; here they have names and meanings."""

import dataclasses
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import strawberry
from strawberry.types.base import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from api.graphql.scalars import JSON
from api.graphql.types.words import SortDirection
from domain.storage.reads.debtors import DebtorOrderField
from domain.vocabulary import BounceKind, Channel, Direction, EventKind, PromiseStatus, Promotion, Source

_given = strawberry.UNSET


def optional(description: str, name: str | None = None) -> Any:
    """A field that may be left out."""
    return strawberry.field(description=description, name=name, default=_given)


def required(description: str, name: str | None = None) -> Any:
    """A field that must be given."""
    return strawberry.field(description=description, name=name)


def as_json(given: Any) -> Any:
    """An input as its readers take it: names as in the schema, what was left out left out."""
    if isinstance(given, list):
        return [as_json(item) for item in given]
    definition = get_object_definition(given) if dataclasses.is_dataclass(given) else None
    if definition is None:
        return given
    return {
        field.graphql_name or to_camel_case(field.python_name): as_json(value)
        for field in definition.fields
        if (value := getattr(given, field.python_name)) is not strawberry.UNSET
    }


def as_stored_json(given: Any) -> Any:
    """An input as it is kept for ever: JSON's own values only."""
    plain = as_json(given)
    return orjson.loads(orjson.dumps(plain, default=lambda value: format(value, "f")))


@strawberry.input(description="A condition on a text; all that is stated must hold. Case counts.")
class StringFilter:
    """A condition on a text."""

    eq: str | None = optional("Is exactly this.")
    in_: list[str] | None = optional("Is one of these; an empty list matches nothing.", name="in")
    starts_with: str | None = optional("Begins with this.")
    is_null: bool | None = optional("true: has none. false: has one.")


@strawberry.input(description="Bounds of a whole number; all that is stated must hold.")
class IntFilter:
    """Bounds of a whole number."""

    eq: int | None = optional("Equals.")
    lt: int | None = optional("Less than.")
    lte: int | None = optional("At most.")
    gt: int | None = optional("More than.")
    gte: int | None = optional("At least.")


@strawberry.input(
    description="Bounds of an instant; all that is stated must hold. A missing instant is in none."
)
class DateTimeFilter:
    """Bounds of an instant."""

    lt: datetime | None = optional("Before.")
    lte: datetime | None = optional("At or before.")
    gt: datetime | None = optional("After.")
    gte: datetime | None = optional("At or after.")
    is_null: bool | None = optional("true: has none. false: has one.")


@strawberry.input(description="Bounds of a day; all that is stated must hold. A missing day is in none.")
class DateFilter:
    """Bounds of a day."""

    eq: date | None = optional("On.")
    lt: date | None = optional("Before.")
    lte: date | None = optional("On or before.")
    gt: date | None = optional("After.")
    gte: date | None = optional("On or after.")


@strawberry.input(description="Bounds of money in one currency, in major units; nothing is converted.")
class MoneyFilter:
    """Bounds of money in one currency."""

    currency: str = required("ISO 4217 code, such as EUR.")
    lt: Decimal | None = optional("Less than, in major units.")
    lte: Decimal | None = optional("At most, in major units.")
    gt: Decimal | None = optional("More than, in major units.")
    gte: Decimal | None = optional("At least, in major units.")


@strawberry.input(description="Which channels.")
class ChannelFilter:
    """Which channels."""

    eq: Channel | None = optional("This one.")
    in_: list[Channel] | None = optional("One of these; an empty list matches nothing.", name="in")


@strawberry.input(description="A condition on a custom attribute (an x_ column of the import).")
class AttributeFilter:
    """A condition on a custom attribute."""

    key: str = required("The column's name, such as x_income_band.")
    eq: str | None = optional("Is exactly this, compared as text.")
    in_: list[str] | None = optional("Is one of these, compared as text.", name="in")
    lt: float | None = optional("Less than, compared as a number.")
    gte: float | None = optional("At least, compared as a number.")
    is_null: bool | None = optional("true: has none. false: has one.")


@strawberry.input(
    description="Which debtors, as they stand now. All that is stated must hold; `or` holds when one of its holds."
)
class DebtorWhere:
    """Which debtors."""

    reference: StringFilter | None = optional("The creditor's own id.")
    name: StringFilter | None = optional("The full name; startsWith ignores case. Personal.")
    country: StringFilter | None = optional("ISO 3166-1 alpha-2 code.")
    region: StringFilter | None = optional("ISO 3166-2 code.")
    language: StringFilter | None = optional("BCP 47 tag.")
    segment: StringFilter | None = optional("The key of the segment the debtor is in now.")
    product: StringFilter | None = optional("The product of any open account; missing where there is none.")
    days_past_due: IntFilter | None = optional(
        "Days past due on the debtor's own calendar, the most over accounts."
    )
    balance: MoneyFilter | None = optional("What is owed on open accounts in one currency.")
    last_contacted_at: DateTimeFilter | None = optional("When the creditor last sent or called.")
    customer_since: DateFilter | None = optional("Since when a customer.")
    birth_date: DateFilter | None = optional("Date of birth. Personal.")
    promise_status: list[PromiseStatus] | None = optional("Has a promise in one of these states.")
    reachable_by: list[Channel] | None = optional(
        "Has an address for one of these channels that has not bounced, and has not refused that channel: the "
        "opt-out of one address refuses it for all, until a later consent."
    )
    attributes: list[AttributeFilter] | None = optional("Custom attributes; all must match. Personal.")
    and_: list["DebtorWhere"] | None = optional("All of these hold.", name="and")
    or_: list["DebtorWhere"] | None = optional(
        "At least one of these holds; none does in an empty list.", name="or"
    )
    not_: "DebtorWhere | None" = optional("This does not hold.", name="not")


@strawberry.input(description="Which communications. All that is stated must hold.")
class CommunicationWhere:
    """Which communications."""

    debtor: StringFilter | None = optional("The debtor's reference.")
    channel: ChannelFilter | None = optional("The channel.")
    direction: Direction | None = optional("Who began it.")
    template: StringFilter | None = optional("The template's reference.")
    campaign: StringFilter | None = optional("The campaign's name.")
    agent: StringFilter | None = optional("The agent's reference.")
    sent_at: DateTimeFilter | None = optional("When it was sent.")
    opened_at: DateTimeFilter | None = optional("When a person first opened it.")
    clicked_at: DateTimeFilter | None = optional("When a person first clicked in it.")
    landed_at: DateTimeFilter | None = optional("When a person first landed on the payment page from it.")
    bounce_kind: BounceKind | None = optional("Counts as bounced in this way.")


@strawberry.input(description="Which promises, as they stand now. All that is stated must hold.")
class PromiseWhere:
    """Which promises."""

    debtor: StringFilter | None = optional("The debtor's reference.")
    account: StringFilter | None = optional("The account's reference.")
    agent: StringFilter | None = optional(
        "The reference of the agent whose it is: its own, else its communication's, else its account's."
    )
    status: list[PromiseStatus] | None = optional("In one of these states.")
    direction: Direction | None = optional("Who began the conversation.")
    due_on: DateFilter | None = optional("The day it is due.")
    promised_at: DateTimeFilter | None = optional("When it was made.")


@strawberry.input(
    description="Which communications count. Values are those at sentAt; product and currency are the account's, "
    "else the debtor's only one's."
)
class MessageKpiWhere:
    """Which communications count."""

    segment: StringFilter | None = optional("The debtor's segment key then.")
    channel: ChannelFilter | None = optional("The channel.")
    template: StringFilter | None = optional("The template's reference.")
    campaign: StringFilter | None = optional("The campaign's name.")
    agent: StringFilter | None = optional("The reference of the communication's own agent.")
    product: StringFilter | None = optional("The product.")
    country: StringFilter | None = optional("The debtor's country, ISO 3166-1 alpha-2.")
    days_past_due: IntFilter | None = optional("The debtor's days past due then.")


@strawberry.input(
    description="One sort key. Ties are broken by the next key, at last by id. Missing values come last."
)
class DebtorOrder:
    """One sort key."""

    field: DebtorOrderField = required("What to sort by.")
    direction: SortDirection = strawberry.field(
        description="Which end comes first.", default=SortDirection.ASC
    )
    currency: str | None = optional("ISO 4217 code; needed for BALANCE, meaningless elsewhere.")


@strawberry.input(description="A span of time: from <= t < to.")
class PeriodInput:
    """A span of time."""

    from_: datetime = required("Its first instant.", name="from")
    to: datetime = required("The first instant after it.")


@strawberry.input(description="What to train.")
class TrainModelsInput:
    """What to train."""

    as_of: datetime | None = optional("Train as if it were then: nothing later is seen. Default: now.")
    promote: Promotion = strawberry.field(
        description="Whether a model that passes its gate becomes champion by itself.", default=Promotion.AUTO
    )


@strawberry.input(description="A segment by rule. The first rule that holds for a debtor names its segment.")
class SegmentInput:
    """A segment by rule."""

    key: str = required("Short and stable; KPIs and recommendations are reported under it.")
    name: str = required("For people.")
    where: DebtorWhere = required("Which debtors; may not filter on segment itself.")


@strawberry.input(
    description="A debtor, as in the import's `debtors`. A null clears, a field left out leaves."
)
class DebtorInput:
    """A debtor to be merged."""

    reference: str = required("The creditor's own id.")
    name: str = required("Full name.")
    email: str | None = optional("Stands for EMAIL.")
    phone: str | None = optional("E.164, such as +34600000000; stands for SMS, WHATSAPP and VOICE.")
    postal_address: str | None = optional("Stands for LETTER.")
    country: str = required("ISO 3166-1 alpha-2 code.")
    region: str | None = optional("ISO 3166-2 code.")
    language: str | None = optional("BCP 47 tag.")
    time_zone: str | None = optional("IANA name; default: the country's.")
    birth_date: date | None = optional("Date of birth.")
    customer_since: date | None = optional("Since when a customer.")
    segment: str | None = optional("The creditor's own segment key; wins over the rules.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")


@strawberry.input(
    description="An account, as in the import's `accounts`. A null clears, a field left out leaves."
)
class AccountInput:
    """An account to be merged."""

    reference: str = required("The creditor's own id.")
    debtor: str = required("The debtor's reference.")
    product: str = required("What was sold.")
    currency: str = required("ISO 4217 code.")
    principal: Decimal = required("What was owed at first, in major units; above 0.")
    opened_on: date = required("First day of the account.")
    due_on: date = required("The day it was to be paid.")
    closed_on: date | None = optional("From this day on it is closed.")
    agent: str | None = optional("Reference of the agent it is assigned to.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")


@strawberry.input(
    description="A communication that was sent or received, as in the import's `communications`."
)
class CommunicationInput:
    """A communication to be merged."""

    reference: str = required("The creditor's own id.")
    debtor: str = required("The debtor's reference.")
    account: str | None = optional("Reference of the account it is about.")
    channel: Channel = required("How it travelled.")
    direction: Direction = required("Who began it.")
    template: str | None = optional("Reference of its template.")
    campaign: str | None = optional("Name of its campaign.")
    agent: str | None = optional("Reference of the agent.")
    sent_at: datetime = required("When it was sent.")
    cost: Decimal | None = optional("What it cost, in major units; needs a currency.")
    currency: str | None = optional("ISO 4217 code of the cost.")
    propensity: float | None = optional(
        "0–1: the probability with which the sender's policy chose this channel and local hour-of-week."
    )
    decision_id: strawberry.ID | None = optional("The decision it carries out.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")


@strawberry.input(description="What became of a communication, as in the import's `events`; immutable.")
class EventInput:
    """An event to be recorded."""

    reference: str = required("The provider's own id; the same again is a duplicate.")
    debtor: str = required("The debtor's reference.")
    communication: str | None = optional("Reference of the communication; none for a direct visit.")
    kind: EventKind = required("What happened.")
    occurred_at: datetime = required("When it happened.")
    source: Source | None = optional("Where from; default: the communication's channel, else DIRECT.")
    automated: bool | None = strawberry.field(
        description="true: a mail-privacy proxy or a link scanner, not a person.", default=False
    )
    detail: str | None = optional("Anything worth keeping, such as a bounce's reason.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")


@strawberry.input(description="A payment, as in the import's `payments`.")
class PaymentInput:
    """A payment to be merged."""

    reference: str = required("The creditor's own id.")
    account: str = required("The account's reference.")
    amount: Decimal = required("In major units; above 0.")
    currency: str = required("ISO 4217 code: the account's.")
    paid_at: datetime = required("When it was paid.")
    communication: str | None = optional("Reference of the communication that caused it, where known.")
    method: str | None = optional("How it was paid.")
    reversed_at: datetime | None = optional("When it was taken back.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")


@strawberry.input(description="A promise to pay, as in the import's `promises`.")
class PromiseInput:
    """A promise to be merged."""

    reference: str = required("The creditor's own id.")
    account: str = required("The account's reference.")
    amount: Decimal = required("In major units; above 0.")
    currency: str = required("ISO 4217 code: the account's.")
    promised_at: datetime = required("When it was made.")
    due_on: date = required("The day it is due, on the debtor's calendar.")
    direction: Direction = required("Who began the conversation.")
    agent: str | None = optional("Reference of the agent who took it.")
    communication: str | None = optional("Reference of the communication it came from.")
    attributes: JSON | None = optional("Custom attributes: an object whose keys begin with x_.")
