"""Small worlds with known truth, in several functional forms, written as raw facts; they share nothing with
the product's own simulator."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.frames import Facts

CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "LETTER", "VOICE")
COST = np.array([0.002, 0.06, 0.05, 0.001, 0.9, 1.2])
START = datetime(2026, 1, 5, tzinfo=UTC)
SLOTS = np.arange(168)
LAWFUL = (SLOTS % 24 >= 8) & (SLOTS % 24 < 21)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """facts as imported; value: (debtors, channels, 168) true expected net money of one contact made at the
    end of the history, against leaving alone; logged: (debtors,) the same under the historical policy."""

    facts: Facts
    as_of: datetime
    debtors: list[str]
    segment: NDArray[np.int64]
    value: Floats
    policy: Floats

    @property
    def logged(self) -> Floats:
        return np.einsum("dcs,dcs->d", self.value, self.policy)


def _logit(p: Floats | float) -> Floats:
    return np.asarray(np.log(np.asarray(p) / (1 - np.asarray(p))))


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _hour_taste(rng: np.random.Generator, form: str, rows: int, strength: float) -> Floats:
    """(rows, 168) logit shifts by hour of week."""
    hour, weekday = SLOTS % 24, SLOTS // 24
    if form == "bump":
        peak = rng.uniform(8, 21, (rows, 1))
        weekend = rng.normal(0, 0.5, (rows, 1)) * (weekday >= 5)
        return strength * (2 * np.exp(-((hour - peak) ** 2) / 12) - 0.8) + weekend
    if form == "steps":
        part = np.digitize(hour, [11, 14, 17])
        return (
            strength * rng.normal(0, 0.9, (rows, 4))[:, part]
            + strength * rng.normal(0, 0.5, (rows, 7))[:, weekday]
        )
    if form == "blocks":
        block = np.clip((hour - 8) // 3, 0, 4) + 5 * (weekday >= 5)
        return strength * rng.normal(0, 1.0, (rows, 10))[:, block]
    phase, turn = rng.uniform(0, 2 * np.pi, (2, rows, 1))
    wave = np.cos(2 * np.pi * hour / 24 * 2 + phase) + 0.5 * np.cos(2 * np.pi * weekday / 7 + turn)
    return strength * wave


def make_world(
    *,
    debtors: int = 3000,
    seed: int = 0,
    form: str = "bump",
    segments: int = 8,
    channels: int = 5,
    days: int = 120,
    contacts: float = 12.0,
    drift: bool = False,
    propensities: bool = True,
    own_strength: float = 1.0,
) -> World:
    rng = np.random.default_rng(seed)
    segment = rng.choice(segments, debtors, p=rng.dirichlet(np.full(segments, 3.0 if segments < 30 else 0.7)))
    rhythm = rng.choice(4, debtors)
    used = [0, 1, 2, 4, 5][:channels] if channels < 6 else list(range(6))
    count = len(used)
    cost = COST[used]
    own = rng.normal(0, 0.5 * own_strength, (debtors, count)) + rng.normal(
        0, 0.6 * own_strength, (debtors, 1)
    )

    def tastes() -> tuple[Floats, Floats]:
        seg_hour = _hour_taste(rng, form, segments * count, 0.7).reshape(segments, count, 168)
        common = _hour_taste(rng, form, count, 0.4)
        open_base = _logit(np.linspace(0.3, 0.15, count)) + rng.normal(0, 0.5, (segments, count))
        pay_base = _logit(rng.uniform(0.06, 0.2, count)) + rng.normal(0, 0.5, (segments, count))
        return open_base[:, :, None] + seg_hour + common[None], pay_base[:, :, None] + 0.3 * _hour_taste(
            rng, form, segments * count, 0.7
        ).reshape(segments, count, 168)

    old, new = tastes(), tastes()
    if not drift:
        old = new
    own_hour = own_strength * _hour_taste(rng, form, 4, 0.8)

    balance = np.exp(rng.normal(5.5, 0.9, debtors))
    late = rng.integers(5, 200, debtors)
    base_pay = (
        -0.3 * (np.log(balance) - 5.5) - 0.003 * (late - 100) + rng.normal(0, 0.4 * own_strength, debtors)
    )
    organic = np.clip(0.004 * np.exp(0.6 * base_pay), 0, 0.05)
    lean = rng.dirichlet(np.full(count, 2.0), segments)
    busy = 1.0 * ((SLOTS % 24 >= 8) & (SLOTS % 24 < 18)) * np.where(SLOTS // 24 < 5, 1.0, 0.15)
    busy += 0.25 * LAWFUL
    slot_policy = busy / busy.sum()

    n = rng.poisson(contacts, debtors)
    who = np.repeat(np.arange(debtors), n)
    total = len(who)
    day = rng.integers(0, days, total)
    channel = (rng.random((total, 1)) > np.cumsum(lean[segment[who]], axis=1)).sum(1).clip(0, count - 1)
    weekday = (START.weekday() + day) % 7
    by_day = slot_policy.reshape(7, 24)
    within = by_day / by_day.sum(1, keepdims=True)
    hour = (rng.random((total, 1)) > np.cumsum(within[weekday], axis=1)).sum(1).clip(0, 23)
    keep = rng.random(total) < by_day.sum(1)[weekday] * 5
    who, day, channel, weekday, hour = who[keep], day[keep], channel[keep], weekday[keep], hour[keep]
    total = len(who)
    slot = weekday * 24 + hour
    sent = day * 86400.0 + hour * 3600 + rng.uniform(0, 3600, total)
    late_half = (sent > days * 86400 / 2)[:, None] if drift else np.ones((total, 1), bool)

    def engaged_logit(
        d: NDArray[np.int64], c: NDArray[np.int64], s: NDArray[np.int64], now: NDArray[np.bool_]
    ) -> Floats:
        seg = segment[d]
        taste = np.where(now, new[0][seg, c, s], old[0][seg, c, s])
        return taste + own[d, c] + own_hour[rhythm[d], s]

    def paid_logit(
        d: NDArray[np.int64], c: NDArray[np.int64], s: NDArray[np.int64], now: NDArray[np.bool_]
    ) -> Floats:
        seg = segment[d]
        return np.where(now, new[1][seg, c, s], old[1][seg, c, s]) + base_pay[d]

    engaged = rng.random(total) < _sigmoid(engaged_logit(who, channel, slot, late_half[:, 0]))
    open_delay = np.exp(rng.normal(np.array([8.5, 7.0, 7.0, 7.0, 12.0, 3.0])[used][channel], 1.2))
    paid = engaged & (rng.random(total) < _sigmoid(paid_logit(who, channel, slot, late_half[:, 0])))
    pay_delay = np.exp(rng.normal(8.0, 1.5, total)).clip(60, 2.5 * 86400)
    full = rng.random(total) < 0.6

    # organic payments, then everything after a debtor's first full payment is cut off
    organic_count = rng.poisson(organic * days)
    organic_who = np.repeat(np.arange(debtors), organic_count)
    organic_at = rng.uniform(0, days * 86400, len(organic_who))
    organic_full = rng.random(len(organic_who)) < 0.6
    pay_who = np.concatenate([who[paid], organic_who])
    pay_at = np.concatenate([(sent + open_delay + pay_delay)[paid], organic_at])
    pay_full = np.concatenate([full[paid], organic_full])
    done = np.full(debtors, np.inf)
    np.minimum.at(done, pay_who[pay_full], pay_at[pay_full])
    alive = sent < done[who]
    pay_keep = (pay_at <= done[pay_who]) & (pay_at < days * 86400)
    share = np.where(pay_full, 1.0, 0.3)

    ids = np.flatnonzero(alive)
    comm_ref = np.array([f"C{i:08d}" for i in range(total)])
    debtor_ref = [f"D{i:06d}" for i in range(debtors)]
    as_of = START + timedelta(days=days)

    def at(seconds: Floats) -> pl.Series:
        micro = (START.timestamp() * 1e6 + seconds * 1e6).astype(np.int64)
        return pl.Series("at", micro).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    bounced = rng.random(total) < 0.03
    frames: list[pl.DataFrame] = []

    def event(index: NDArray[np.int64], kind: NDArray[np.str_] | list[str], when: Floats) -> None:
        frames.append(
            pl.DataFrame(
                {
                    "debtor": [debtor_ref[i] for i in who[index]],
                    "communication": comm_ref[index],
                    "kind": kind,
                    "occurred_at": at(when),
                }
            )
        )

    names = np.array(CHANNELS)[used][channel]
    quiet = ids[bounced[ids] & ~engaged[ids]]
    arrived = ids[~(bounced[ids] & ~engaged[ids]) & (names[ids] != "LETTER") & (names[ids] != "VOICE")]
    event(quiet, ["BOUNCED_SOFT"] * len(quiet), sent[quiet] + 5)
    event(arrived, ["DELIVERED"] * len(arrived), sent[arrived] + 4)
    opened = ids[engaged[ids]]
    kinds = {"VOICE": "RIGHT_PARTY_CONTACTED", "LETTER": "LANDED"}
    event(opened, [kinds.get(name, "OPENED") for name in names[opened]], sent[opened] + open_delay[opened])
    clicked = opened[paid[opened] & np.isin(names[opened], ["EMAIL", "SMS", "WHATSAPP", "PUSH"])]
    event(clicked, ["CLICKED"] * len(clicked), (sent + open_delay + pay_delay * 0.9)[clicked])
    events = pl.concat(frames).with_row_index("n").with_columns(reference=pl.format("E{}", "n")).drop("n")

    facts: Facts = {
        "debtors": pl.DataFrame(
            {
                "reference": debtor_ref,
                "name": debtor_ref,
                "email": [f"{r}@example.org" for r in debtor_ref],
                "phone": "+34600000000",
                "postal_address": "Calle 1",
                "country": "ES",
                "time_zone": "UTC",
                "segment": [f"S{i:03d}" for i in segment],
                "x_trait": np.where(base_pay > 0, "HIGH", "LOW"),
            }
        ),
        "accounts": pl.DataFrame(
            {
                "reference": [f"A{i:06d}" for i in range(debtors)],
                "debtor": debtor_ref,
                "product": rng.choice(["CARD", "LOAN"], debtors),
                "currency": "EUR",
                "principal": balance.round(2),
                "opened_on": (START - timedelta(days=400)).date(),
                "due_on": [(START - timedelta(days=int(d))).date() for d in late],
            }
        ),
        "communications": pl.DataFrame(
            {
                "reference": comm_ref[ids],
                "debtor": [debtor_ref[i] for i in who[ids]],
                "channel": names[ids],
                "direction": "OUTBOUND",
                "sent_at": at(sent[ids]),
                "cost": cost[channel[ids]],
                "currency": "EUR",
                "propensity": (lean[segment[who], channel] * slot_policy[slot])[ids]
                if propensities
                else None,
            }
        ),
        "events": events,
        "payments": pl.DataFrame(
            {
                "reference": [f"P{i:06d}" for i in range(int(pay_keep.sum()))],
                "account": [f"A{i:06d}" for i in pay_who[pay_keep]],
                "amount": (share * balance[pay_who])[pay_keep].round(2),
                "currency": "EUR",
                "paid_at": at(pay_at[pay_keep]),
            }
        ),
    }
    everyone = np.arange(debtors)
    value = np.empty((debtors, count, 168))
    for c in range(count):
        grid_d, grid_s = np.meshgrid(everyone, SLOTS, indexing="ij")
        code = np.full_like(grid_d, c)
        now = np.ones(grid_d.shape, bool)
        q = _sigmoid(engaged_logit(grid_d, code, grid_s, now)) * _sigmoid(
            paid_logit(grid_d, code, grid_s, now)
        )
        alone = 1 - np.exp(-organic * 30)
        value[:, c] = q * ((1 - alone) * 0.72 * balance)[:, None] - cost[c]
    owed = np.isinf(done)
    full_value = np.full((debtors, len(CHANNELS), 168), np.nan)
    full_value[:, used] = value * owed[:, None, None]
    policy = np.zeros((debtors, len(CHANNELS), 168))
    policy[:, used] = lean[segment][:, :, None] * slot_policy
    return World(facts, as_of, debtor_ref, segment, np.nan_to_num(full_value, nan=-1e3), policy)
