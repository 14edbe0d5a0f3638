"""What is expected of one named hour per channel, for many debtors at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Bools, Floats, Ints
from ml.boosting import sigmoid
from ml.funnel import StagedClassifier
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS, Cells, SlotEffects, shifts
from ml.standing import Standing
from ml.values import DECIDING, contact_cost, draw_count, kept_of_gain


@dataclass(frozen=True)
class Quotes:
    """(n, channels) per contact at the asked hour: probabilities delivered … moved; gain, cost, net:
    tenant's currency, 0 where no contact can happen; open_p50 … pay_p90: seconds; doubt: (n, channels, steps) what the
    gain moves by when stage B of a deciding step is off by its standard error."""

    delivered: Floats
    engaged: Floats
    opened: Floats
    clicked: Floats
    converted: Floats
    moved: Floats
    gain: Floats
    cost: Floats
    net: Floats
    open_p50: Floats
    open_p90: Floats
    pay_p50: Floats
    pay_p90: Floats
    doubt: Floats

    def take(self, rows: Ints) -> "Quotes":
        """The chosen debtors."""
        return Quotes(**{name: table[rows] for name, table in vars(self).items()})


def quote(model: TrainedModel, standing: Standing, slots: Ints) -> Quotes:
    """slots: (n, channels) hour of week per debtor and channel."""
    columns = [
        _quote_channel(model, standing, code, slots[:, code], doubted=True) for code in range(len(CHANNELS))
    ]
    return Quotes(**{name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]})


def hourly_nets(model: TrainedModel, standing: Standing, slots: Ints) -> tuple[Floats, Floats]:
    """(n, channels) net and (n, channels, k) net under the replicates, at the hours of `quote`."""
    columns = [
        _all_nets(model, standing, _cells(standing, code, slots[:, code])) for code in range(len(CHANNELS))
    ]
    return np.stack([nets[0] for nets in columns], axis=1), np.stack([nets[1:].T for nets in columns], axis=1)


def quote_each(model: TrainedModel, standing: Standing, channel: Ints, slot: Ints) -> dict[str, Floats]:
    """One quote per debtor, for its own channel (code) and hour of week: the fields of `Quotes`, each (n,) but the
    doubt, which is left out."""
    found: dict[str, Floats] = {}
    for code in np.unique(channel):
        rows = np.flatnonzero(channel == code)
        column = _quote_channel(model, standing.take(rows), int(code), slot[rows], doubted=False)
        for name, value in column.items():
            found.setdefault(name, np.zeros(len(channel)))[rows] = value
    return found


def net_draws(model: TrainedModel, standing: Standing, action: Ints) -> tuple[Floats, Floats]:
    """(n,) net and (n, k) net under the replicates, of each debtor's own action (channel · 168 + hour of
    week)."""
    net, draws = np.zeros(len(standing)), np.zeros((len(standing), draw_count(model.conversion)))
    for code in np.unique(action // HOURS):
        rows = np.flatnonzero(action // HOURS == code)
        some = standing.take(rows)
        nets = _all_nets(model, some, _cells(some, int(code), action[rows] % HOURS))
        net[rows], draws[rows] = nets[0], nets[1:].T
    return net, draws


def _cells(standing: Standing, code: int, slot: Ints) -> Cells:
    return Cells(standing.segment, standing.rhythm, np.full(len(standing), code), slot)


def _quote_channel(
    model: TrainedModel, standing: Standing, code: int, slot: Ints, *, doubted: bool
) -> dict[str, Floats]:
    conversion, cells = model.conversion, _cells(standing, code, slot)
    chances = _chances(model, standing, cells, (*DECIDING, "attributed"), 0)
    nets = _nets(model, standing, cells, chances)
    chance = {name: each[0] for name, each in chances.items()}
    engaged = chance["engaged"]
    opened = engaged * conversion.opened_share[code]
    nothing = np.zeros((len(standing), 0), dtype=np.float32)
    delivered = np.maximum(sigmoid(conversion.delivered.margins(nothing, cells, 1)), engaged)
    moved = engaged * chance["moved"] + (1 - engaged) * chance["moved_silent"]
    open_p50, open_p90 = model.open_time.spans(cells)
    pay_p50, pay_p90 = model.pay_time.spans(cells)
    happens = _happens(standing, code)
    money = np.where(happens, standing.amount[:, code] * (1 - standing.alone), 0.0)
    doubt = {"doubt": _doubt(model, cells, chance) * money[:, None]} if doubted else {}
    return {
        "delivered": delivered,
        "engaged": engaged,
        "opened": opened,
        "clicked": opened * sigmoid(conversion.clicked.margins(nothing, cells, 1)),
        "converted": conversion.converted(engaged, chance["attributed"], cells.channel),
        "moved": moved,
        "gain": moved * money,
        "cost": np.where(happens, contact_cost(model)[code], 0.0),
        "net": nets[0],
        "open_p50": open_p50,
        "open_p90": open_p90,
        "pay_p50": pay_p50,
        "pay_p90": pay_p90,
        **doubt,
    }


def _doubt(model: TrainedModel, cells: Cells, chance: dict[str, Floats]) -> Floats:
    """(n, steps of DECIDING) what P(moved) moves by when a step's effects are off by their standard error."""
    engaged, moved, silent = (chance[name] for name in DECIDING)
    weighs = {"engaged": moved - silent, "moved": engaged, "moved_silent": 1 - engaged}
    found = []
    for name in DECIDING:
        step = model.conversion.steps[name]
        log_odds = step.platt.slope[cells.channel] * step.staged.effects.error(cells)
        found.append(weighs[name] * chance[name] * (1 - chance[name]) * log_odds)
    return np.stack(found, axis=1)


def _happens(standing: Standing, code: int) -> Bools:
    return np.asarray(standing.reachable[:, code] & standing.owes)


def _chances(
    model: TrainedModel, standing: Standing, cells: Cells, names: Sequence[str], draws: int
) -> dict[str, Floats]:
    """step → (1 + draws, n) calibrated probabilities: the estimate, then bootstrap replicates of stage B."""
    steps = {name: model.conversion.steps[name] for name in names}
    fits = {name: _fits(step.staged, draws) for name, step in steps.items()}
    moved = shifts([fit for each in fits.values() for fit in each], cells)
    code = int(cells.channel[0]) if len(cells.channel) else 0
    found, done = {}, 0
    for name, step in steps.items():
        start = standing.margins[name][:, code] + step.staged.departed(cells)
        margins = start[None, :] + moved[done : done + len(fits[name])]
        found[name] = sigmoid(step.platt.slope[code] * margins + step.platt.offset[code])
        done += len(fits[name])
    return found


def _fits(staged: StagedClassifier, draws: int) -> list[SlotEffects]:
    replicates = staged.draws or (staged.effects,)
    return [staged.effects, *(replicates[draw % len(replicates)] for draw in range(draws))]


def _nets(model: TrainedModel, standing: Standing, cells: Cells, chance: dict[str, Floats]) -> Floats:
    """(1 + k, n) incremental money after cost and opt-outs: the estimate, then the replicates."""
    moved = chance["engaged"] * chance["moved"] + (1 - chance["engaged"]) * chance["moved_silent"]
    code = int(cells.channel[0]) if len(cells.channel) else 0
    kept = kept_of_gain(model)[code]
    net = (
        moved * (standing.amount[:, code] * (1 - standing.alone) * kept)[None, :] - contact_cost(model)[code]
    )
    return np.where(_happens(standing, code)[None, :], net, 0.0)


def _all_nets(model: TrainedModel, standing: Standing, cells: Cells) -> Floats:
    draws = draw_count(model.conversion)
    return _nets(model, standing, cells, _chances(model, standing, cells, DECIDING, draws))
