import io
import json
from functools import cache
from typing import Any

import joblib
import numpy as np
import pytest

from ml.artefact import (
    FORMAT,
    Artefact,
    ArtefactError,
    ArtefactIncompatible,
    ArtefactTampered,
    ArtefactTruncated,
    check_manifest,
    pack,
    signed,
    unpack,
)
from tests.ml.factories import history, model

KEY = b"a signing key for tests"
PLACE = "tenant 1, training run 7"


@cache
def _packed() -> Artefact:
    return pack(model(), KEY, PLACE)


def test_a_packed_model_predicts_what_it_did() -> None:
    restored = unpack(_packed().content, json.loads(json.dumps(_packed().manifest)), KEY, PLACE)
    rows = history().communications.head(50).select("debtor", "channel", at="sent_at")
    np.testing.assert_array_equal(
        restored.predict(history(), rows).p_convert, model().predict(history(), rows).p_convert
    )
    assert restored.holdout is None
    assert restored.metrics == model().metrics


def test_packing_twice_gives_the_same_bytes() -> None:
    assert pack(model(), KEY, PLACE).manifest["sha256"] == _packed().manifest["sha256"]


def test_the_manifest_says_what_the_model_needs_and_was_made_of() -> None:
    manifest = _packed().manifest
    assert manifest["features"]["log_balance"] == "number"
    assert manifest["features"]["product"] == "category"
    assert manifest["rows"] == model().rows
    assert manifest["data_from"] < manifest["data_to"] <= manifest["trained_at"]
    assert {"lightgbm", "numpy"} <= set(manifest["libraries"])


def _flipped(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@pytest.mark.parametrize(
    ("content", "changes", "key", "error"),
    [
        (_flipped, {}, KEY, ArtefactTampered),
        (lambda content: content[:-10], {}, KEY, ArtefactTruncated),
        (lambda content: content, {"rows": 1}, KEY, ArtefactTampered),
        (lambda content: content, {}, b"another key", ArtefactTampered),
        (lambda content: content, {"signature": ""}, KEY, ArtefactTampered),
    ],
)
def test_what_was_altered_is_refused_before_it_is_unpickled(
    content: Any,
    changes: dict[str, object],
    key: bytes,
    error: type[ArtefactError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joblib, "load", lambda _: pytest.fail("unpickled before it was checked"))
    with pytest.raises(error) as refusal:
        unpack(content(_packed().content), {**_packed().manifest, **changes}, key, PLACE)
    assert refusal.value.code.startswith("ARTEFACT_")
    assert str(refusal.value).endswith("train again")


def test_other_library_versions_are_refused_with_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.artefact.version", lambda name: "9.9.9" if name == "lightgbm" else "1.0.0")
    old = pack(model(), KEY, PLACE)
    monkeypatch.undo()
    with pytest.raises(ArtefactIncompatible, match=r"made with .* train again$"):
        unpack(old.content, old.manifest, KEY, PLACE)


def test_something_else_signed_with_our_key_is_not_taken_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def dump_something_else(_: object, buffer: io.BytesIO, compress: int) -> None:
        buffer.write(b"")
        joblib.numpy_pickle.dump({"not": "a model"}, buffer, compress=compress)

    monkeypatch.setattr(joblib, "dump", dump_something_else)
    other = pack(model(), KEY, PLACE)
    monkeypatch.undo()
    with pytest.raises(ArtefactIncompatible, match=r"something else .* train again$"):
        unpack(other.content, other.manifest, KEY, PLACE)


def test_an_empty_key_signs_nothing() -> None:
    with pytest.raises(ValueError, match="signing key is empty"):
        pack(model(), b"", PLACE)


@pytest.mark.parametrize("place", ["tenant 2, training run 7", "tenant 1, training run 8"])
def test_a_model_of_another_tenant_or_version_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "load", lambda _: pytest.fail("unpickled before it was checked"))
    told = rf"trained for {PLACE}, but stands where that of {place} belongs; .* train again$"
    with pytest.raises(ArtefactTampered, match=told):
        unpack(_packed().content, _packed().manifest, KEY, place)


def test_a_model_from_before_places_were_signed_says_to_train_again(monkeypatch: pytest.MonkeyPatch) -> None:
    former = {name: value for name, value in _packed().manifest.items() if name != "place"}
    monkeypatch.setattr(joblib, "load", lambda _: pytest.fail("unpickled before it was checked"))
    with pytest.raises(ArtefactIncompatible, match=f"format 1, this version reads {FORMAT}; train again$"):
        unpack(_packed().content, signed({**former, "format": 1}, KEY), KEY, PLACE)


def test_a_manifest_alone_tells_whether_a_model_is_ours_and_read_here() -> None:
    manifest = _packed().manifest
    check_manifest(manifest, KEY)
    with pytest.raises(ArtefactIncompatible, match="format 1"):
        check_manifest(signed({**manifest, "format": 1}, KEY), KEY)
    with pytest.raises(ArtefactTampered):  # nothing that is not ours is believed, its format neither
        check_manifest({**manifest, "format": 1}, KEY)
