"""Configurations of Hugging Face, as far as no torch is needed: found, read, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc.errors import UsageError
from archcalc.importers.huggingface import read

GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 2}


def folder(place: Path, fields: Any = GPT2) -> str:
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps(fields))
    return f"hf:{place}"


def test_options_of_ours_are_taken_out_and_others_replace_fields(tmp_path: Path) -> None:
    options = {"seq": "2048", "decode": "true", "n_layer": "3", "architectures": "none"}
    found = read(folder(tmp_path), options)
    assert (found.seq, found.decode, found.attention) == (2048, True, "")
    assert found.fields == {"model_type": "gpt2", "n_layer": 3}
    assert found.architecture == ""


def test_an_identifier_is_looked_up_in_the_cache_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    commit = "0123456789abcdef" * 2 + "01234567"
    place = tmp_path / "hub" / "models--openai-community--gpt2"
    folder(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    assert read("hf:openai-community/gpt2").architecture == "GPT2LMHeadModel"
    with pytest.raises(UsageError, match=r"not in the hub.s cache.*--download fetches"):
        read("hf:openai-community/gpt3")


def test_the_pointer_of_a_cache_does_not_lead_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder(tmp_path / "outside")
    refs = tmp_path / "models--a--b" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("../../outside")
    with pytest.raises(UsageError, match=r"not in the hub.s cache"):
        read("hf:a/b")


def test_a_pipeline_names_its_models(tmp_path: Path) -> None:
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    folder(tmp_path / "unet", {"_class_name": "UNet2DConditionModel"})
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match=rf"name one of its models: diffusers:{tmp_path}/unet$"):
        read(f"diffusers:{tmp_path}")
    assert read(f"diffusers:{tmp_path}/unet").architecture == "UNet2DConditionModel"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**GPT2, "auto_map": {"AutoConfig": "evil.Config"}}, r"\(evil\.Config\).*does not run"),
        ({**GPT2, "trust_remote_code": True}, "asks for code of its repository"),
        ({"architectures": ["GPT2LMHeadModel"]}, "has no model_type"),
        ([], "is not a JSON object"),
        ({**GPT2, "n_layer": 10**9}, "n_layer is 1000000000, more than 4096"),
        ({**GPT2, "text_config": {"num_hidden_layers": 10**6}}, r"text_config\.num_hidden_layers"),
        ({**GPT2, "vocab_size": -5}, "vocab_size is -5, which is negative"),
        ({**GPT2, "n_head": -3}, "n_head is -3, which is negative"),
        ({**GPT2, "n_embd": 10**200}, "more than 100 digits"),
    ],
)
def test_a_hostile_configuration_is_refused_in_one_sentence(
    tmp_path: Path, fields: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        read(folder(tmp_path, fields))
    assert "\n" not in str(refused.value)


def test_what_a_configuration_asks_for_can_be_left_out(tmp_path: Path) -> None:
    fields = {**GPT2, "auto_map": {"AutoConfig": "own.Config"}}
    assert "auto_map" not in read(folder(tmp_path, fields), {"auto_map": "none"}).fields


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seq": "0"}, "seq=0: the length must be a whole number of at least 1"),
        ({"seq": "long"}, "seq=long"),
        ({"decode": "maybe"}, "write true or false"),
        ({"attention": "flash"}, "choose eager or sdpa"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(folder(tmp_path), options)


def test_a_place_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json"):
        read(f"hf:{tmp_path}")
    with pytest.raises(UsageError, match=r"there is no folder '\./no/such/place'"):
        read("hf:./no/such/place")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        read(f"hf:{tmp_path}")
