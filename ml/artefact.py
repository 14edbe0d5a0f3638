"""A model as bytes and a manifest, signed: nothing is unpickled before it is known to be whole, ours, of this very
place, and readable here.

Raises, on loading, `ArtefactTruncated`, `ArtefactTampered` or `ArtefactIncompatible`, all
`ArtefactError`, each with what to do about it.
"""

import hashlib
import hmac
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import joblib
import numpy as np

from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.wording import segment_evidence

FORMAT = 8
LIBRARIES = ("joblib", "lightgbm", "numpy", "polars", "scikit-learn")


class ArtefactError(Exception):
    """A stored model cannot be loaded.

    code: stable; the message says why and ends in what always helps, "train again", so that whoever knows how that is
    asked for can go on from there.
    """

    code = "ARTEFACT_UNUSABLE"


class ArtefactTruncated(ArtefactError):
    """Bytes are missing, or there are too many."""

    code = "ARTEFACT_TRUNCATED"


class ArtefactTampered(ArtefactError):
    """Bytes or manifest are not what was signed, or were signed with another key or for another place."""

    code = "ARTEFACT_TAMPERED"


class ArtefactIncompatible(ArtefactError):
    """It was stored in another format, or with library versions this process does not have."""

    code = "ARTEFACT_INCOMPATIBLE"


@dataclass(frozen=True)
class Artefact:
    """content: joblib bytes; manifest: JSON-ready, signed."""

    content: bytes
    manifest: dict[str, Any]


def pack(model: TrainedModel, key: bytes, place: str) -> Artefact:
    """The model without its hold-out, its manifest, and a signature (HMAC-SHA-256 with `key`) over both.

    place: whose it is; it opens nowhere else, so that no model decides for another tenant, nor one for another version.
    """
    buffer = io.BytesIO()
    joblib.dump(replace(model, holdout=None), buffer, compress=3)
    content = buffer.getvalue()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "place": place,
        "recipe": model.recipe,
        "libraries": {name: version(name) for name in LIBRARIES},
        "features": model.space.types,
        "segments": list(model.segments),
        "currency": model.currency,
        "trained_at": model.trained_at.isoformat(),
        "data_from": model.data_from.isoformat(),
        "data_to": model.data_to.isoformat(),
        "rows": model.rows,
        "half_life_days": model.half_life_days,
        "channels": {
            name: int(count)
            for name, count in zip(CHANNELS, model.channels.sends.sum(axis=1), strict=True)
            if count
        },
        "evidence": _evidence(model),
        "metrics": [asdict(metric) for metric in model.metrics],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Artefact(content, signed(manifest, key))


def signed(manifest: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """The manifest with a signature in place of any it has."""
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    return {**unsigned, "signature": _signature(unsigned, key)}


def _evidence(model: TrainedModel) -> dict[str, dict[str, str]]:
    """Per segment and channel that was ever used, what recommendations rest on."""
    used = np.flatnonzero(model.channels.sends.sum(axis=1))
    levels = {name: segment_evidence(model, code) for code, name in enumerate(model.segments)}
    return {
        name: {CHANNELS[channel]: found[channel].value for channel in used} for name, found in levels.items()
    }


def check_manifest(manifest: Mapping[str, Any], key: bytes) -> None:
    """Whether a model is ours and of a format read here, as far as can be told without its bytes.

    Raises:
        ArtefactTampered: the signature is not ours; nothing else was believed.
        ArtefactIncompatible: another build stored it.
    """
    _check_signature(manifest, key)
    _check_versions(manifest)


def unpack(content: bytes, manifest: Mapping[str, Any], key: bytes, place: str) -> TrainedModel:
    """The model, after every check; see the module for what is raised. place: where it was found."""
    _check_signature(manifest, key)
    _check_bytes(content, manifest)
    _check_versions(manifest)
    if manifest["place"] != place:
        raise ArtefactTampered(
            f"the model was trained for {manifest['place']}, but stands where that of {place} belongs; "
            "restore the one that belongs there from a backup, or train again"
        )
    model = joblib.load(io.BytesIO(content))
    if not isinstance(model, TrainedModel):
        raise ArtefactIncompatible("the artefact holds something else than a trained model; train again")
    return model


def _check_signature(manifest: Mapping[str, Any], key: bytes) -> None:
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    if not hmac.compare_digest(str(manifest.get("signature", "")), _signature(unsigned, key)):
        raise ArtefactTampered(
            "the model's manifest does not bear our signature: it was altered, or signed with another key; "
            "restore the key it was stored under, or train again"
        )


def _check_bytes(content: bytes, manifest: Mapping[str, Any]) -> None:
    if len(content) != manifest["size"]:
        raise ArtefactTruncated(
            f"the model has {len(content):,} bytes where its manifest says {manifest['size']:,}; "
            "restore it from a backup, or train again"
        )
    if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
        raise ArtefactTampered(
            "the model's bytes are not those that were signed; restore it from a backup, or train again"
        )


def _check_versions(manifest: Mapping[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise ArtefactIncompatible(
            f"the model has format {manifest.get('format')}, this version reads {FORMAT}; train again"
        )
    made_with = manifest["libraries"]
    for name in LIBRARIES:
        mine, theirs = version(name), str(made_with.get(name, "none"))
        if _series(mine) != _series(theirs):
            raise ArtefactIncompatible(
                f"the model was made with {name} {theirs}, here is {mine}; train again"
            )


def _series(release: str) -> tuple[str, ...]:
    """Major and minor version: patch releases read each other's pickles."""
    return tuple(release.split(".")[:2])


def _signature(manifest: Mapping[str, Any], key: bytes) -> str:
    if not key:
        raise ValueError("the signing key is empty: set one, or artefacts could be forged")
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
