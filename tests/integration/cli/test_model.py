"""`merit model`: from a directory of files to a calibrated model, and everything that must be refused on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Merit = Callable[..., Any]
TERMS = ("--false-alarm", "0.1", "--requests", "24", "--batches", "4,16", "--threads", "1")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, as the transformers library saves one."""
    import torch  # noqa: PLC0415 - the other tests of the command line do not pay for these imports
    from transformers import AutoModelForCausalLM, GPT2Config  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    build: Any = AutoModelForCausalLM.from_config
    config = GPT2Config(vocab_size=200, bos_token_id=0, eos_token_id=0, n_positions=96, n_embd=64, n_layer=2, n_head=4)
    directory = tmp_path_factory.mktemp("saved")
    build(config, dtype=torch.bfloat16).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def saved_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of an encoder."""
    import torch  # noqa: PLC0415 - as above
    from transformers import AutoModel, BertConfig  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=200,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=96,
        initializer_range=0.1,
    )
    directory = tmp_path_factory.mktemp("saved")
    build: Any = AutoModel.from_config
    build(config, dtype=torch.bfloat16).save_pretrained(directory)
    return directory


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERIT_MODELS_DIRECTORY", str(tmp_path / "models"))
    return tmp_path / "models"


def registered(merit: Merit, saved: Path) -> str:
    answer = merit(
        "model", "register", str(saved), "--numeric-class", "cpu-bfloat16", "--end-token", "0", "--top-p", "0.9"
    )
    assert answer.status == 0, answer.err
    identity: str = answer.out.strip()
    return identity


def test_register_calibrate_show__small_model__thresholds_detection_and_both_histograms(
    merit: Merit, models: Path, saved: Path, tmp_path: Path
) -> None:
    identity = registered(merit, saved)
    assert "run `merit model calibrate`" in merit("model", "show", identity).out
    prompts = tmp_path / "prompts"
    prompts.write_text("\n".join(json.dumps([(7 * i + 3 * j) % 200 for j in range(40)]) for i in range(24)))

    calibrated = merit("model", "calibrate", identity, "--prompts", str(prompts), *TERMS)
    assert calibrated.status == 0, calibrated.err
    new = calibrated.out.strip()
    assert len(new) == 64
    assert new != identity

    shown = merit("model", "show", f"0x{new}").out
    assert "temperature 1.0, top-p 0.9, ends at token 0" in shown
    assert "int8: 100.00% of 12 leaves" in shown
    assert any("#" in line for line in shown.splitlines())
    assert any(line.endswith("x") for line in shown.splitlines())

    told = json.loads(merit("model", "show", new, "--json").out)
    assert told["identity"] == new
    assert told["profile"]["words"] == 2
    assert told["profile"]["detection"] == {"int8": 1.0, "int4": 1.0, "fp8 cache": 1.0}
    assert told["profile"]["bands"]["soft"] < told["profile"]["bands"]["hard"]


def test_calibrate__toploc__limits_of_proofs_and_what_they_tell(merit: Merit, models: Path, saved: Path) -> None:
    calibrated = merit("model", "calibrate", registered(merit, saved), "--toploc", *TERMS)
    assert calibrated.status == 0, calibrated.err
    assert "TOPLOC         soft" in calibrated.err
    told = json.loads(merit("model", "show", calibrated.out.strip(), "--json").out)["profile"]
    assert told["toploc"]["top"] == 128
    assert 0 < told["toploc"]["soft"] < told["toploc"]["hard"]
    assert told["detection"] == told["toploc"]["detected"]
    assert told["detection"]["int4"] == 1.0
    assert told["bands"]["hard"] == 2 * 256 - 1


def test_calibrate__toploc_of_an_encoder__one_sentence(merit: Merit, models: Path, saved_encoder: Path) -> None:
    options = ("--task", "embedding", "--numeric-class", "cpu-bfloat16")
    identity = merit("model", "register", str(saved_encoder), *options).out.strip()
    answer = merit("model", "calibrate", identity, "--toploc", *TERMS)
    assert answer.status == 1
    assert "leave out --toploc" in answer.refusal


@pytest.mark.parametrize("given", [True, False])
def test_register_calibrate_show__encoder__detection(
    merit: Merit, models: Path, saved_encoder: Path, tmp_path: Path, given: bool
) -> None:
    options = ("--task", "embedding", "--numeric-class", "cpu-bfloat16")
    identity = merit("model", "register", str(saved_encoder), *options).out.strip()
    prompts = tmp_path / "prompts"
    prompts.write_text("\n".join(json.dumps([(7 * i + 3 * j) % 200 for j in range(20 + 3 * i)]) for i in range(24)))
    calibrated = merit("model", "calibrate", identity, *TERMS, *(("--prompts", str(prompts)) if given else ()))
    assert calibrated.status == 0, calibrated.err
    told = json.loads(merit("model", "show", calibrated.out.strip(), "--json").out)
    assert told["generation"] is None
    assert told["profile"]["detection"] == {"int8": 1.0, "int4": 1.0}


@pytest.mark.parametrize("given", [True, False])
def test_register_calibrate_show__images__detection(merit: Merit, models: Path, tmp_path: Path, given: bool) -> None:
    """A random model with noise in proportion to its signal, which the tests of the workload train instead."""
    import torch  # noqa: PLC0415 - as above
    from safetensors.torch import save_file  # noqa: PLC0415

    from verifier.models.diffusion import DiffusionArchitecture, LatentDiffusion  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(1)
    sizes = {"vocabulary": 14, "context": 5, "side": 4, "columns": 32, "steps": 2}
    model = LatentDiffusion(DiffusionArchitecture(**sizes))
    saved = tmp_path / "diffusion"
    saved.mkdir()
    (saved / "config.json").write_text(json.dumps(sizes))
    save_file(dict(model.state_dict()), saved / "model.safetensors")
    options = ("--task", "image-generation", "--numeric-class", "cpu-float32")
    identity = merit("model", "register", str(saved), *options).out.strip()
    prompts = tmp_path / "prompts"
    prompts.write_text("\n".join(json.dumps([(7 * i + j) % 14 for j in range(1 + i % 5)]) for i in range(24)))
    calibrated = merit("model", "calibrate", identity, *TERMS, *(("--prompts", str(prompts)) if given else ()))
    assert calibrated.status == 0, calibrated.err
    told = json.loads(merit("model", "show", calibrated.out.strip(), "--json").out)
    assert told["generation"] is None
    assert told["profile"]["detection"] == {"int8": 1.0, "int4": 1.0}


@pytest.mark.parametrize("options", [("--task", "embedding", "--end-token", "0"), ("--task", "text-generation")])
def test_register__end_token_where_there_is_no_text_or_none_where_there_is__one_sentence(
    merit: Merit, models: Path, saved: Path, options: tuple[str, ...]
) -> None:
    answer = merit("model", "register", str(saved), "--numeric-class", "cpu-bfloat16", *options)
    assert answer.status == 1
    assert "name the end token" in answer.refusal


def test_calibrate__bands_that_overlap__refused_and_nothing_written(
    merit: Merit, models: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cheaper copy that is no other than the model cannot be told from it."""
    identity = registered(merit, saved)
    files = set(models.iterdir())
    monkeypatch.setattr("verifier.models.registration.quantised_copy", lambda model, bits: model)
    answer = merit("model", "calibrate", identity, *TERMS)
    assert answer.status == 1
    assert "they overlap; use more words" in answer.refusal
    assert not answer.out
    assert set(models.iterdir()) == files


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--requests", "5", "needs at least 20 runs"),
        ("--batches", "0", "--batches 0 cannot be read"),
        ("--threads", "two", "--threads two cannot be read"),
        ("--prompts", "nowhere", "Cannot read nowhere"),
    ],
)
def test_calibrate__option_that_cannot_be__one_sentence(
    merit: Merit, models: Path, saved: Path, option: str, value: str, complaint: str
) -> None:
    answer = merit("model", "calibrate", registered(merit, saved), *TERMS, option, value)
    assert answer.status == 1
    assert complaint in answer.refusal


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("[1, 2]\n", "24 prompts are needed and 1"), ("[200]\n" * 24, "prompt 1 is not"), ("{", "Cannot read")],
)
def test_calibrate__prompts_that_the_model_cannot_take__one_sentence(
    merit: Merit, models: Path, saved: Path, tmp_path: Path, content: str, complaint: str
) -> None:
    prompts = tmp_path / "prompts"
    prompts.write_text(content)
    answer = merit("model", "calibrate", registered(merit, saved), "--prompts", str(prompts), *TERMS)
    assert answer.status == 1
    assert complaint in answer.refusal


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"--numeric-class": "auto"}, "numeric class"),
        ({"--top-p": "0"}, "--top-p"),
        ({"--temperature": "nan"}, "--temperature"),
        ({"--end-token": "-1"}, "--end-token"),
    ],
)
def test_register__rule_that_cannot_be__one_sentence_and_nothing_written(
    merit: Merit, models: Path, saved: Path, changes: dict[str, str], complaint: str
) -> None:
    options = {"--numeric-class": "cpu-bfloat16", "--end-token": "0"} | changes
    answer = merit("model", "register", str(saved), *(word for option in options.items() for word in option))
    assert answer.status == 1
    assert complaint in answer.refusal
    assert not models.exists()


def test_register__models_directory_is_a_file__one_sentence(merit: Merit, saved: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    options = ("--numeric-class", "cpu-bfloat16", "--end-token", "0", "--models", str(blocked))
    assert "name a folder of yours" in merit("model", "register", str(saved), *options).refusal


@pytest.mark.parametrize("identity", ["", "xyz", "00" * 31])
def test_show__not_an_identity__one_sentence(merit: Merit, models: Path, identity: str) -> None:
    assert "is not a model's identity" in merit("model", "show", identity).refusal


def test_show__not_registered__one_sentence(merit: Merit, models: Path) -> None:
    assert "register it first" in merit("model", "show", "00" * 32).refusal
