"""What is expected of one named hour per channel, for many debtors at once."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Bools, Floats, Ints
from ml.boosting import sigmoid
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.slot_effects import Cells
from ml.standing import Standing
from ml.values import CONTACTS_LOST, DECIDING, LEAST_OWED, contact_cost, draw_count


@dataclass(frozen=True)
class Quotes:
    """(n, channels) per contact at the asked hour: delivered, engaged, opened, clicked, converted: probabilities; gain, cost, net: tenant's
    currency; draws: (k, n, channels) net under the bootstrap replicates of stage B. Where no contact can happen money is 0."""

    delivered: Floats
    engaged: Floats
    opened: Floats
    clicked: Floats
    converted: Floats
    moved: Floats
    gain: Floats
    cost: Floats
    net: Floats
    draws: Floats


def quote(model: TrainedModel, standing: Standing, slots: Ints) -> Quotes:
    """slots: (n, channels) hour of week per debtor and channel."""
    columns = [_quote_channel(model, standing, code, slots[:, code]) for code in range(len(CHANNELS))]
    stacked = {name: np.stack([column[name] for column in columns], axis=-1) for name in columns[0]}
    return Quotes(**stacked)


def _quote_channel(model: TrainedModel, standing: Standing, code: int, slot: Ints) -> dict[str, Floats]:
    conversion = model.conversion
    cells = Cells(standing.segment, standing.rhythm, np.full(len(standing), code), slot)
    chance = {name: _chance(model, standing, cells, name, None) for name in (*DECIDING, "attributed")}
    engaged = chance["engaged"]
    opened = engaged * conversion.opened_share[code]
    nothing = np.zeros((len(standing), 0), dtype=np.float32)
    delivered = np.maximum(sigmoid(conversion.delivered.margins(nothing, cells, 1)), engaged)
    happens = standing.reachable[:, code] & (standing.owed > LEAST_OWED)
    cost = np.where(happens, contact_cost(model)[code], 0.0)
    gain, net = _money(model, standing, code, chance, happens, cost)
    replicates = []
    for draw in range(draw_count(conversion)):
        drawn = {name: _chance(model, standing, cells, name, draw) for name in DECIDING}
        replicates.append(_money(model, standing, code, drawn, happens, cost)[1])
    return {
        "delivered": delivered,
        "engaged": engaged,
        "opened": opened,
        "clicked": opened * sigmoid(conversion.clicked.margins(nothing, cells, 1)),
        "converted": engaged * chance["attributed"] + (1 - engaged) * conversion.silent_attributed[code],
        "moved": engaged * chance["moved"] + (1 - engaged) * chance["moved_silent"],
        "gain": gain,
        "cost": cost,
        "net": net,
        "draws": np.stack(replicates) if replicates else np.zeros((0, len(standing))),
    }


def _chance(model: TrainedModel, standing: Standing, cells: Cells, name: str, draw: int | None) -> Floats:
    step = model.conversion.steps[name]
    effects = step.staged.effects
    if draw is not None and step.staged.draws:
        effects = step.staged.draws[draw % len(step.staged.draws)]
    code = int(cells.channel[0]) if len(cells.channel) else 0
    margins = standing.margins[name][:, code] + effects.shift(cells)
    return sigmoid(step.platt.apply(margins, cells.channel))


def _money(
    model: TrainedModel,
    standing: Standing,
    code: int,
    chance: dict[str, Floats],
    happens: Bools,
    cost: Floats,
) -> tuple[Floats, Floats]:
    """(gain, net) of the contacts that can happen."""
    moved = chance["engaged"] * chance["moved"] + (1 - chance["engaged"]) * chance["moved_silent"]
    gain = np.where(happens, moved * standing.amount[:, code] * (1 - standing.alone), 0.0)
    kept = 1.0 - min(CONTACTS_LOST * float(model.channels.opt_out[code]), 0.5)
    return gain, gain * kept - cost
