"""From raw facts (import-format.md) to a `History`, without a database: for benches, tests and the
simulator."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl

from domain.accounts import Payment
from domain.collection_settings import CollectionSettings
from domain.communications import FUNNEL_INSTANTS
from domain.promises import Promise, deadline, settle
from ml.frames import (
    INSTANT,
    SCHEMAS,
    Facts,
    History,
    delivered_expression,
    empty_frame,
    month_is_over,
)

_TRUE_WORDS = ("true", "1", "t", "yes")
_SETTINGS = CollectionSettings()
_ADDRESS_OF = {
    "EMAIL": "email",
    "SMS": "phone",
    "WHATSAPP": "phone",
    "VOICE": "phone",
    "LETTER": "postal_address",
}

# Column → (event kinds, whether automated events are the ones that count).
_FUNNEL_KINDS: dict[str, tuple[tuple[str, ...], bool | None]] = {
    "delivered_at": (("DELIVERED",), None),
    "bounced_hard_at": (("BOUNCED_HARD",), None),
    "bounced_soft_at": (("BOUNCED_SOFT",), None),
    "opened_at": (("OPENED", "CLICKED", "LANDED"), False),
    "machine_opened_at": (("OPENED",), True),
    "clicked_at": (("CLICKED", "LANDED"), False),
    "landed_at": (("LANDED",), False),
    "replied_at": (("REPLIED",), False),
    "right_party_contacted_at": (("RIGHT_PARTY_CONTACTED",), None),
    "unsubscribed_at": (("UNSUBSCRIBED",), None),
    "complained_at": (("COMPLAINED",), None),
}


def history_from_facts(facts: Facts, *, as_of: datetime, currency: str | None) -> History:
    """See `History.from_facts`. Repeated references keep their first row; malformed rows are the
    importer's business, not ours."""
    as_of = as_of.astimezone(UTC)
    events = _known_events(facts, as_of)
    communications = _communications(facts, events, as_of)
    accounts = _table(facts, "accounts").rename({"reference": "account"})
    owners = accounts.select("account", "debtor")
    payments = _table(facts, "payments").rename({"reference": "payment"}).filter(pl.col("paid_at") <= as_of)
    payments = payments.filter(pl.col("amount").is_not_null())
    payments = payments.drop("debtor", strict=False).join(owners, on="account", maintain_order="left")
    promises = (
        _table(facts, "promises").rename({"reference": "promise"}).filter(pl.col("promised_at") <= as_of)
    )
    promises = promises.drop("debtor", strict=False).join(owners, on="account", maintain_order="left")
    return History(
        as_of=as_of,
        currency=currency or _main_currency(accounts),
        rates=_rates(facts, as_of),
        debtors=_debtors(facts, communications, as_of),
        accounts=accounts,
        communications=communications,
        payments=attribute_payments(payments, communications, events, as_of),
        promises=_settled(promises, payments, _table(facts, "debtors"), as_of),
        templates=_table(facts, "templates"),
        finance=_finance(facts).filter(month_is_over(as_of)),
    ).in_order()


def attribute_payments(
    payments: pl.DataFrame, communications: pl.DataFrame, events: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """payments with `communication` set by the attribution rule in its default windows; null on those reversed by
    `as_of`. Source: kpis.md."""
    outbound = communications.filter(pl.col("direction") == "OUTBOUND").select("communication", "sent_at")
    touches = events.join(outbound, on="communication").sort("occurred_at", "sent_at", "communication")
    human = touches.filter(~pl.col("automated") | (pl.col("kind") == "RIGHT_PARTY_CONTACTED"))
    known = payments.with_columns(
        reversed_at=pl.when(pl.col("reversed_at") <= as_of).then(pl.col("reversed_at")),
    ).sort("paid_at")
    clicked = _latest_touch(
        known, human.filter(pl.col("kind").is_in(["CLICKED", "LANDED"])), _SETTINGS.click_window
    )
    reached = _latest_touch(
        known, human.filter(pl.col("kind").is_in(["OPENED", "RIGHT_PARTY_CONTACTED"])), _SETTINGS.open_window
    )
    cause = pl.coalesce(pl.col("communication"), clicked, reached)
    return known.with_columns(communication=pl.when(pl.col("reversed_at").is_null()).then(cause))


def _settled(
    promises: pl.DataFrame, payments: pl.DataFrame, debtors: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """promises with `deadline` and `kept_at`, after the default days of grace. Source: kpis.md, by
    `domain.promises`."""
    zones = debtors.select(debtor="reference", time_zone=pl.col("time_zone").fill_null("UTC"))
    made = promises.drop("deadline", "kept_at", strict=False).join(
        zones, on="debtor", how="left", maintain_order="left"
    )
    rows = made.select("promise", "account", "amount", "promised_at", "due_on", "time_zone").iter_rows()
    by_account: dict[str, list[Promise]] = {}
    for name, account, amount, promised_at, due_on, zone in rows:
        ends = deadline(due_on, zone or "UTC", _SETTINGS.promise_grace_days)
        by_account.setdefault(account, []).append(Promise(name, _exact(amount), promised_at, ends))
    paid: dict[str, list[Payment]] = {}
    known = payments.filter(pl.col("account").is_in(list(by_account)))
    for row in known.select("payment", "amount", "paid_at", "reversed_at", "account").iter_rows():
        paid.setdefault(row[4], []).append(Payment(row[0], _exact(row[1]), row[2], row[3]))
    outcomes = [
        (promise.reference, promise.deadline, outcome.kept_at)
        for account, listed in by_account.items()
        for promise, outcome in zip(listed, settle(listed, paid.get(account, ()), as_of=as_of), strict=True)
    ]
    schema = {"promise": pl.String(), "deadline": INSTANT, "kept_at": INSTANT}
    settled = pl.DataFrame(outcomes, schema=schema, orient="row")
    return made.drop("time_zone").join(settled, on="promise", how="left", maintain_order="left")


def _exact(amount: float) -> Decimal:
    """Money as it was written: within what floats tell apart, to the hundredth of a cent."""
    return Decimal(repr(amount)).quantize(Decimal("0.0001"))


def _finance(facts: Facts) -> pl.DataFrame:
    """The monthly books, typed."""
    raw = facts.get("finance")
    if raw is None:
        return empty_frame("finance")
    month = pl.col("month")
    if raw.schema["month"] == pl.String:
        month = (month.str.slice(0, 7) + "-01").str.to_date("%Y-%m-%d", strict=False)
    columns = [
        _read(raw, name, dtype).alias(name)
        for name, dtype in SCHEMAS["finance"].items()
        if name != "month" and name in raw.columns
    ]
    return raw.select(month.alias("month"), *columns).unique(
        ["month", "currency"], keep="first", maintain_order=True
    )


def _latest_touch(payments: pl.DataFrame, touches: pl.DataFrame, window: timedelta) -> pl.Series:
    """The communication of the debtor's latest touch with paid_at − window < occurred_at <= paid_at, per
    payment (paid_at order)."""
    found = payments.select("debtor", "paid_at").join_asof(
        touches.select("debtor", "occurred_at", touched="communication"),
        left_on="paid_at",
        right_on="occurred_at",
        by="debtor",
        strategy="backward",
        check_sortedness=False,
    )
    recent = pl.col("occurred_at") > pl.col("paid_at") - window
    return found.select(pl.when(recent).then(pl.col("touched")))["touched"]


def _table(facts: Facts, name: str) -> pl.DataFrame:
    """One raw table, typed by SCHEMAS where it names the column, first row of each reference; no rows
    when absent."""
    raw = facts.get(name)
    if raw is None:
        raw = empty_frame(name).rename({name.removesuffix("s"): "reference"}, strict=False)
    schema = SCHEMAS[name] | {"reversed_at": INSTANT}
    casts = [_read(raw, column, schema.get(column)) for column in raw.columns]
    absent = [
        pl.lit(None, dtype=dtype or pl.String()).alias(column)
        for column, dtype in SCHEMAS[name].items()
        if column not in raw.columns and column not in ("debtor", name.removesuffix("s"))
    ]
    return raw.with_columns(casts).with_columns(absent).unique("reference", keep="first", maintain_order=True)


def _read(frame: pl.DataFrame, column: str, wanted: pl.DataType | None) -> pl.Expr:
    source, dtype = pl.col(column), frame.schema[column]
    if column.startswith("x_"):
        return _as_number_if_all_are(frame, column)
    if wanted is None or dtype == wanted:
        return source
    if dtype == pl.String:
        return _from_text(pl.when(source != "").then(source), wanted).alias(column)
    if wanted == INSTANT and isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return source.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return source.cast(wanted)


def _from_text(text: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    if wanted == INSTANT:
        return _instant(text)
    if wanted == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False)
    return text.cast(wanted, strict=False)


def _instant(text: pl.Expr) -> pl.Expr:
    return text.str.replace(r"[zZ]$", "+00:00").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False
    )


def _as_number_if_all_are(frame: pl.DataFrame, column: str) -> pl.Expr:
    if frame.schema[column] != pl.String:
        return pl.col(column)
    text = frame[column].replace("", None)
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() == text.null_count() and number.null_count() < len(text):
        return pl.lit(number).alias(column)
    return pl.lit(text).alias(column)


def _known_events(facts: Facts, as_of: datetime) -> pl.DataFrame:
    """communication, debtor, kind, occurred_at, automated: each event with a communication, known at
    `as_of`, once."""
    raw = facts.get("events")
    schema = {
        "reference": pl.String(),
        "debtor": pl.String(),
        "communication": pl.String(),
        "kind": pl.String(),
        "occurred_at": INSTANT,
    }
    if raw is None:
        return pl.DataFrame(schema=schema | {"automated": pl.Boolean()})
    automated = pl.lit(False)
    if "automated" in raw.columns:
        flag = pl.col("automated")
        words = flag.str.to_lowercase().is_in(_TRUE_WORDS) if raw.schema["automated"] == pl.String else flag
        automated = words.fill_null(False)
    events = raw.select(
        *(_read(raw, name, dtype).alias(name) for name, dtype in schema.items()),
        automated.cast(pl.Boolean).alias("automated"),
    )
    known = pl.col("communication").is_not_null() & (pl.col("occurred_at") <= as_of)
    return events.unique("reference", keep="first", maintain_order=True).filter(known)


def _communications(facts: Facts, events: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    sent = (
        _table(facts, "communications")
        .rename({"reference": "communication"})
        .filter(pl.col("sent_at") <= as_of)
    )
    sent = sent.drop(*FUNNEL_INSTANTS, "segment", strict=False)
    firsts = [
        pl.col("occurred_at").filter(_counts(kinds, automated)).min().alias(column)
        for column, (kinds, automated) in _FUNNEL_KINDS.items()
    ]
    funnel = events.group_by("communication").agg(firsts)
    segments = _table(facts, "debtors").select(
        debtor="reference", segment=pl.col("segment").fill_null("NONE")
    )
    joined = sent.join(funnel, on="communication", how="left", maintain_order="left")
    return joined.join(segments, on="debtor", how="left", maintain_order="left")


def _counts(kinds: Sequence[str], automated: bool | None) -> pl.Expr:
    of_kind = pl.col("kind").is_in(list(kinds))
    return of_kind if automated is None else of_kind & (pl.col("automated") == automated)


def _debtors(facts: Facts, communications: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    raw = _table(facts, "debtors")
    raw = raw.with_columns(
        debtor=pl.col("reference"),
        segment=pl.col("segment").fill_null("NONE"),
        time_zone=pl.col("time_zone").fill_null("UTC"),
    )
    usable = _addresses(facts, raw, as_of).join(
        _dead_channels(communications), on=["debtor", "channel"], how="anti"
    )
    channels = usable.group_by("debtor").agg(channels=pl.col("channel").unique().sort())
    joined = raw.drop("channels").join(channels, on="debtor", how="left", maintain_order="left")
    return joined.with_columns(pl.col("channels").fill_null(pl.lit([], dtype=pl.List(pl.String))))


def _addresses(facts: Facts, debtors: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """debtor, channel: where an address exists and is not opted out; a debtor row's own address stands
    for its channels."""
    own = [
        debtors.select("debtor", channel=pl.lit(channel), address=pl.col(column)).drop_nulls()
        for channel, column in _ADDRESS_OF.items()
        if column in debtors.columns
    ]
    schema = {"debtor": pl.String, "channel": pl.String, "address": pl.String}
    known = pl.concat([pl.DataFrame(schema=schema), *own]).filter(pl.col("address") != "")
    points = facts.get("contact_points")
    if points is not None and "opted_out_at" in points.columns:
        opted = points.with_columns(_read(points, "opted_out_at", INSTANT)).filter(
            pl.col("opted_out_at") <= as_of
        )
        known = (
            pl.concat([known, points.select(*schema)])
            .unique()
            .join(opted.select(*schema), on=list(schema), how="anti")
        )
    elif points is not None:
        known = pl.concat([known, points.select(*schema)])
    return known.select("debtor", "channel").unique(maintain_order=True)


def _dead_channels(communications: pl.DataFrame) -> pl.DataFrame:
    """debtor, channel: the last word from it was a hard bounce, or the debtor unsubscribed there or complained."""
    outbound = communications.filter(pl.col("direction") == "OUTBOUND")
    delivered = delivered_expression()
    last = (
        outbound.sort("sent_at")
        .group_by("debtor", "channel")
        .agg(
            bounced=(pl.col("sent_at").filter(pl.col("bounced_hard_at").is_not_null() & ~delivered)).max(),
            arrived=pl.col("sent_at").filter(delivered).max(),
            left=pl.any_horizontal(pl.col("unsubscribed_at", "complained_at").is_not_null()).any(),
        )
    )
    bounced = pl.col("bounced").is_not_null() & (
        pl.col("arrived").is_null() | (pl.col("arrived") < pl.col("bounced"))
    )
    return last.filter(bounced | pl.col("left")).select("debtor", "channel")


def _main_currency(accounts: pl.DataFrame) -> str:
    counted = accounts["currency"].drop_nulls().value_counts(sort=True)
    top = counted.sort("count", "currency", descending=[True, False])
    return str(top["currency"][0]) if len(top) else "EUR"


def _rates(facts: Facts, as_of: datetime) -> dict[str, float]:
    raw = facts.get("exchange_rates")
    if raw is None:
        return {}
    typed = raw.with_columns(_read(raw, "date", pl.Date()), pl.col("rate").cast(pl.Float64))
    latest = typed.filter(pl.col("date") <= as_of.date()).sort("date").group_by("currency").last()
    return dict(zip(latest["currency"].to_list(), latest["rate"].to_list(), strict=True))
