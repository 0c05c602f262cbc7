"""Manifests: one byte string for each model, and nothing else accepted for it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.models.demonstration import DemonstrationModels
from verifier.models.errors import ModelError
from verifier.models.manifest import MAXIMUM_MANIFEST_BYTES, Manifest


def test_round_trip__calibrated_model__same_document_identity_and_profile(models: DemonstrationModels) -> None:
    manifest = models.registered.manifest
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.identity == manifest.identity
    ours, theirs = manifest.profile(), again.profile()
    assert np.array_equal(ours.lattice.whitening.scale, theirs.lattice.whitening.scale)
    assert (ours.bands, ours.margins, ours.report) == (theirs.bands, theirs.margins, theirs.report)


def test_identity__any_change__another(models: DemonstrationModels) -> None:
    manifest = models.registered.manifest
    changed = [
        manifest.model_copy(update=u)
        for u in ({"generation": None}, {"weights": ("0" * 64,)}, {"profile_document": None})
    ]
    assert len({m.identity for m in [manifest, *changed]}) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("weights"),
        lambda d: d.update(extra=1),
        lambda d: d.update(format="merit-model/2"),
        lambda d: d.update(weights="0" * 64),
        lambda d: d.update(weights=[]),
        lambda d: d.update(weights=["../../etc/passwd"]),
        lambda d: d.update(weights=["A" * 64]),
        lambda d: d.update(weights=["1" * 64, "0" * 64]),
        lambda d: d.update(weights=["0" * 64, "0" * 64]),
        lambda d: d.update(weights=[f"{i:064x}" for i in range(1025)]),
        lambda d: d.pop("generation"),
        lambda d: d["generation"].update(temperature=-1.0),
        lambda d: d["generation"].update(temperature="0.8"),
        lambda d: d["generation"].update(top_p=0.0),
        lambda d: d["generation"].update(top_p=1.5),
        lambda d: d["generation"].pop("top_p"),
        lambda d: d["generation"].update(end_token=-1),
        lambda d: d.update(numeric_class="auto"),
        lambda d: d.update(numeric_class="cpu-int4"),
        lambda d: d["profile"]["bands"].update(soft=10**6),
        lambda d: d["profile"]["bands"].pop("tau"),
        lambda d: d["profile"]["lattice"].update(words=5),
        lambda d: d["profile"]["lattice"].update(words=0),
        lambda d: d["profile"]["lattice"].update(fine_width=0),
        lambda d: d["profile"]["lattice"].update(mean="AAAA"),
        lambda d: d["profile"]["lattice"].update(scale="not base64"),
        lambda d: d["profile"]["margins"].update(mean=99.0),
        lambda d: d["profile"]["report"].update(honest=[-1]),
    ],
)  # fmt: skip
def test_parse__one_thing_wrong__model_error(
    models: DemonstrationModels, change: Callable[[dict[str, Any]], object]
) -> None:
    document = json.loads(models.registered.manifest.to_bytes())
    change(document)
    with pytest.raises(ModelError):
        Manifest.from_bytes(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def test_parse__other_bytes_of_the_same_document__refused(models: DemonstrationModels) -> None:
    data = models.registered.manifest.to_bytes()
    for other in (data + b"\n", data.replace(b",", b", ", 1), b'{"format":"merit-model/1",' + data[1:]):
        assert json.loads(other) == json.loads(data)
        with pytest.raises(ModelError, match=r"canonical|malformed"):
            Manifest.from_bytes(other)


def test_parse__number_beyond_every_float__refused(models: DemonstrationModels) -> None:
    data = models.registered.manifest.to_bytes()
    with pytest.raises(ModelError, match="malformed"):
        Manifest.from_bytes(data.replace(b'"layers":2', b'"layers":1e999'))


def test_parse__larger_than_the_limit__refused() -> None:
    with pytest.raises(ModelError, match="larger"):
        Manifest.from_bytes(b" " * (MAXIMUM_MANIFEST_BYTES + 1))


@given(data=st.binary(max_size=200))
def test_parse__any_bytes__model_error(data: bytes) -> None:
    with pytest.raises(ModelError):
        Manifest.from_bytes(data)


def test_profile__not_calibrated__says_what_to_do(models: DemonstrationModels) -> None:
    bare = models.registered.manifest.model_copy(update={"profile_document": None})
    with pytest.raises(ModelError, match="merit model calibrate"):
        bare.profile()


def test_text_rule__model_without_text__says_what_to_do(models: DemonstrationModels) -> None:
    silent = models.registered.manifest.model_copy(update={"generation": None})
    with pytest.raises(ModelError, match="does not generate text"):
        silent.text_rule()
