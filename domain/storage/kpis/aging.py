"""Aging buckets in SQL, by the rule in `domain.accounts`."""

from domain.accounts import aging_bucket
from domain.vocabulary import AgingBucket


def bucket_sql(days_past_due: str) -> str:
    """The bucket of an SQL expression of days past due (of something still owed: never PAID)."""
    *lower, last = _UP_TO
    cases = " ".join(f"WHEN {days_past_due} < {days} THEN '{bucket}'" for days, bucket in lower)
    return f"CASE {cases} ELSE '{last[1]}' END"


def _bands() -> tuple[tuple[int, AgingBucket], ...]:
    """Each bucket with the first number of days that is beyond it; nothing is beyond the last."""
    bands: list[tuple[int, AgingBucket]] = []
    days, bucket = 0, aging_bucket(0)
    while bucket is not AgingBucket.DPD_181_PLUS:
        days += 1
        if aging_bucket(days) is not bucket:
            bands.append((days, bucket))
            bucket = aging_bucket(days)
    return (*bands, (days, bucket))


_UP_TO = _bands()
