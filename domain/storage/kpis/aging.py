"""Aging buckets in SQL, by the rule in `domain.accounts`."""

from domain.accounts import BUCKETS
from domain.vocabulary import AgingBucket


def bucket_sql(days_past_due: str) -> str:
    """The bucket of an SQL expression of days past due (of something still owed: never PAID)."""
    cases = " ".join(f"WHEN {days_past_due} <= {most} THEN '{bucket}'" for most, bucket in BUCKETS)
    return f"CASE {cases} ELSE '{AgingBucket.DPD_181_PLUS}' END"
