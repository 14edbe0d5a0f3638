"""Promises settled by the pure rule (`domain.promises`), account by account, in one pass over promises and payments."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import Payment
from domain.collection_settings import CollectionSettings
from domain.promises import Promise, Settlement, deadline, settle

_ROWS_AT_ONCE = 10_000
_ACCOUNTS_AT_ONCE = 5_000

_ACCOUNTS = text(
    """
    SELECT DISTINCT pr.account_id FROM touched_debtor t
    JOIN promise pr ON pr.tenant_id = :tenant_id AND pr.debtor_id = t.debtor_id
    ORDER BY pr.account_id
    """
)

# One row per promise (promise_id set) and per payment (null), those of an account together.
_PROMISES_AND_PAYMENTS = text(
    """
    SELECT pr.account_id, pr.id AS promise_id, pr.reference, pr.amount, pr.promised_at AS at, pr.due_on, d.time_zone,
           NULL::timestamptz AS reversed_at, pr.deadline, pr.kept_at, pr.filled
    FROM promise pr JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = pr.debtor_id
    WHERE pr.tenant_id = :tenant_id AND pr.account_id = ANY(CAST(:accounts AS bigint[]))
    UNION ALL
    SELECT p.account_id, NULL, p.reference, p.amount, p.paid_at, NULL, NULL, p.reversed_at, NULL, NULL, NULL
    FROM payment p WHERE p.tenant_id = :tenant_id AND p.account_id = ANY(CAST(:accounts AS bigint[]))
    ORDER BY account_id
    """
)

# Whether a promise was kept counts where it was made, before the payments that tell.
_WRITE = text(
    """
    WITH settled AS (
        UPDATE promise SET deadline = fresh.deadline, kept_at = fresh.kept_at, filled = fresh.filled
        FROM unnest(CAST(:ids AS bigint[]), CAST(:deadlines AS timestamptz[]), CAST(:kept AS timestamptz[]),
                    CAST(:filled AS numeric[])) AS fresh (id, deadline, kept_at, filled)
        WHERE promise.tenant_id = :tenant_id AND promise.id = fresh.id
        RETURNING promised_at
    )
    INSERT INTO touched_day SELECT (min(promised_at) AT TIME ZONE 'UTC')::date, false FROM settled
    """
)


@dataclass(frozen=True)
class PromisingAccount:
    """An account's promises and payments; ids and what is stored stand in the order of `promises`."""

    promises: list[Promise] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    stored: list[tuple[datetime | None, datetime | None, Decimal]] = field(default_factory=list)


async def promising_accounts(
    connection: AsyncConnection, tenant_id: int, *, grace_days: int
) -> AsyncIterator[PromisingAccount]:
    """The accounts of the touched debtors that have promises, one by one, without holding them all."""
    found = list(await connection.scalars(_ACCOUNTS, {"tenant_id": tenant_id}))
    for start in range(0, len(found), _ACCOUNTS_AT_ONCE):
        binds = {"tenant_id": tenant_id, "accounts": found[start : start + _ACCOUNTS_AT_ONCE]}
        rows = (await connection.execute(_PROMISES_AND_PAYMENTS, binds)).all()
        for account in _accounts(rows, grace_days):
            yield account


def _accounts(rows: Sequence[Any], grace_days: int) -> Iterable[PromisingAccount]:
    for _, group in groupby(rows, key=lambda row: row.account_id):
        account = PromisingAccount()
        for row in group:
            if row.promise_id is None:
                account.payments.append(Payment(row.reference, row.amount, row.at, row.reversed_at))
                continue
            due_on: date = row.due_on
            breaks_at = deadline(due_on, row.time_zone, grace_days)
            account.promises.append(Promise(row.reference, row.amount, row.at, breaks_at))
            account.ids.append(row.promise_id)
            account.stored.append((row.deadline, row.kept_at, row.filled))
        yield account


async def settle_promises(
    connection: AsyncConnection, tenant_id: int, *, settings: CollectionSettings, now: datetime
) -> None:
    """Write `deadline`, `kept_at` and `filled` of the touched debtors' promises, by the payments known at `now`; touch
    the day of the earliest that this changes."""
    changed: list[tuple[int, datetime, Settlement]] = []
    async for account in promising_accounts(connection, tenant_id, grace_days=settings.promise_grace_days):
        settled = settle(account.promises, account.payments, as_of=now)
        rows = zip(account.ids, account.promises, account.stored, settled, strict=True)
        changed += [
            (promise_id, promise.deadline, outcome)
            for promise_id, promise, stored, outcome in rows
            if _differs(stored, (promise.deadline, outcome.kept_at, outcome.filled))
        ]
    for start in range(0, len(changed), _ROWS_AT_ONCE):
        part = changed[start : start + _ROWS_AT_ONCE]
        await connection.execute(
            _WRITE,
            {
                "tenant_id": tenant_id,
                "ids": [promise_id for promise_id, _, _ in part],
                "deadlines": [breaks_at for _, breaks_at, _ in part],
                "kept": [outcome.kept_at for _, _, outcome in part],
                "filled": [outcome.filled for _, _, outcome in part],
            },
        )


_CREATE_SPANS = text(
    """
    CREATE TEMP TABLE promise_span (
        debtor_id bigint, promised_at timestamptz, deadline timestamptz, kept_at timestamptz,
        known_from timestamptz, known_until timestamptz
    ) ON COMMIT DROP
    """
)

_INSERT_SPANS = text(
    """
    INSERT INTO promise_span
    SELECT pr.debtor_id, pr.promised_at, pr.deadline, fresh.kept_at,
           COALESCE(fresh.known_from, '-infinity'), COALESCE(fresh.known_until, 'infinity')
    FROM unnest(CAST(:ids AS bigint[]), CAST(:kept AS timestamptz[]), CAST(:starts AS timestamptz[]),
                CAST(:ends AS timestamptz[])) AS fresh (id, kept_at, known_from, known_until)
    JOIN promise pr ON pr.tenant_id = :tenant_id AND pr.id = fresh.id
    """
)


async def create_promise_spans(
    connection: AsyncConnection, tenant_id: int, *, settings: CollectionSettings
) -> None:
    """Make the temporary table `promise_span`: the touched debtors' promises as known from one reversal to the next.

    `kept_at` counts for an instant in [known_from, known_until) that it does not lie after.
    """
    await connection.execute(_CREATE_SPANS)
    rows: list[tuple[int, datetime | None, datetime | None, datetime | None]] = []
    async for account in promising_accounts(connection, tenant_id, grace_days=settings.promise_grace_days):
        rows += _known_settlements(account)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        ids, kept, starts, ends = zip(*rows[start : start + _ROWS_AT_ONCE], strict=True)
        binds = {"ids": list(ids), "kept": list(kept), "starts": list(starts), "ends": list(ends)}
        await connection.execute(_INSERT_SPANS, {"tenant_id": tenant_id, **binds})
    await connection.execute(text("CREATE INDEX ON promise_span (debtor_id)"))


def _known_settlements(
    account: PromisingAccount,
) -> Iterable[tuple[int, datetime | None, datetime | None, datetime | None]]:
    """(promise id, kept_at, known from, known until) between an account's reversals; None stands for ever."""
    reversals = sorted({payment.reversed_at for payment in account.payments if payment.reversed_at})
    for known_from, known_until in zip([None, *reversals], [*reversals, None], strict=True):
        standing = [
            replace(payment, reversed_at=None)
            for payment in account.payments
            if not (payment.reversed_at and known_from and payment.reversed_at <= known_from)
        ]
        settled = settle(account.promises, standing, as_of=_EVER)
        for promise_id, outcome in zip(account.ids, settled, strict=True):
            yield promise_id, outcome.kept_at, known_from, known_until


_EVER = datetime.max.replace(tzinfo=UTC)


def _differs(
    stored: tuple[datetime | None, datetime | None, Decimal],
    fresh: tuple[datetime, datetime | None, Decimal],
) -> bool:
    """Scale included, so that the same facts in any order are stored alike."""
    return stored != fresh or stored[2].as_tuple().exponent != fresh[2].as_tuple().exponent
