"""Models of transformers and diffusers from their configurations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.analysis.figures import read
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.pytorch import load

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}
MIXTRAL = {
    **LLAMA,
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
T5 = {
    "model_type": "t5",
    "architectures": ["T5ForConditionalGeneration"],
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "vocab_size": 50,
}

Graphed = Callable[..., Graph]


@pytest.fixture
def graphed(tmp_path: Path) -> Graphed:
    """Return a function that traces a configuration."""

    def graph(fields: dict[str, Any], **options: Any) -> Graph:
        (tmp_path / "config.json").write_text(json.dumps(fields))
        return archcalc.graph(f"hf:{tmp_path}", **options)

    return graph


def linear(width: int) -> int:
    """Return the multiply-adds per token in the linear layers of one LLAMA layer."""
    return 64 * 64 + 2 * 64 * 32 + 64 * 64 + width


FEED_FORWARD = 3 * 64 * 112


def test_a_decoder_is_counted_from_its_configuration(graphed: Graphed) -> None:
    found = graphed(LLAMA, seq=16).profile()
    attention = 4 * 16 * 16 * (16 + 16)
    assert found.macs == 16 * (2 * linear(FEED_FORWARD) + 64 * 100) + 2 * attention
    assert found.params == 2 * (linear(FEED_FORWARD) + 2 * 64) + 2 * 64 * 100 + 64


def test_causal_masks_keep_the_pairs_on_and_below_the_diagonal(graphed: Graphed) -> None:
    for attention in ("sdpa", "eager"):
        found = graphed(LLAMA, seq=16, attention=attention).profile()
        pairs = 16 * 17 // 2
        assert found.macs - read(found, "masked_macs") == 2 * 4 * (16 * 16 - pairs) * 32


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_sliding_window_keeps_as_many_pairs_as_the_real_mask(
    graphed: Graphed, attention: str
) -> None:
    fields = {
        **LLAMA,
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "sliding_window": 5,
    }
    found = graphed(fields, seq=16, attention=attention).profile()
    config = transformers.MistralConfig(**fields, attn_implementation="eager")
    model = transformers.MistralForCausalLM(config).eval()
    ids = torch.zeros(1, 16, dtype=torch.long)
    scores = model(ids, output_attentions=True).attentions
    left = sum(int((layer > 0).sum()) for layer in scores)
    assert left == 2 * 4 * (1 + 2 + 3 + 4 + 12 * 5)
    dense = 2 * 4 * 16 * 16
    assert found.macs - read(found, "masked_macs") == (dense - left) * 32


def test_one_token_is_decoded_against_a_cache(graphed: Graphed) -> None:
    found = graphed(LLAMA, seq=100, decode=True).profile()
    assert found.macs == 2 * (linear(FEED_FORWARD) + 4 * 101 * 32) + 64 * 100
    assert read(found, "masked_macs") == found.macs
    assert read(found, "cache_bytes") == 2 * (2 * 2 * 16) * 100 * 4
    filled = graphed(LLAMA, seq=100).profile()
    assert read(filled, "cache_bytes") == read(found, "cache_bytes")


def test_a_cache_of_a_window_is_no_longer_than_the_window(graphed: Graphed) -> None:
    fields = {**LLAMA, "model_type": "mistral", "architectures": None, "sliding_window": 5}
    found = graphed(fields, seq=100, decode=True).profile()
    assert read(found, "cache_bytes") == 2 * (2 * 2 * 16) * (5 - 1) * 4


def test_an_encoder_is_not_run_again_for_each_token(graphed: Graphed) -> None:
    graph = graphed(T5, seq=20, decode=True)
    assert not any(node.name.startswith("encoder.") for node in graph)
    cache = 2 * (32 * 20 + 32 * 20) * 2 * 4
    assert read(graph.profile(), "cache_bytes") == cache


def test_experts_are_counted_by_the_router_s_choice(graphed: Graphed) -> None:
    graph = graphed(MIXTRAL, seq=16)
    found = graph.profile()
    attention = 4 * 16 * 16 * 32
    layer = linear(2 * FEED_FORWARD + 64 * 8)
    assert found.macs == 16 * (2 * layer + 64 * 100) + 2 * attention
    assert found.params - read(found, "active_params") == 2 * 6 * FEED_FORWARD
    assert any("2 of 8 experts" in note for note in graph.notes)


def test_a_dense_model_uses_all_of_its_parameters(graphed: Graphed) -> None:
    found = graphed(LLAMA).profile()
    assert read(found, "active_params") == found.params


def test_tied_weights_are_counted_once(graphed: Graphed) -> None:
    tied = graphed({**LLAMA, "tie_word_embeddings": True}).profile().params
    assert graphed(LLAMA).profile().params - tied == 64 * 100


def test_weights_have_the_dtype_of_the_configuration(graphed: Graphed) -> None:
    found = graphed({**LLAMA, "dtype": "bfloat16"}).profile()
    assert found.weight_bytes == 2 * found.params


def test_an_option_replaces_a_field(graphed: Graphed) -> None:
    deep = graphed(LLAMA, num_hidden_layers=3).profile().params
    assert deep - graphed(LLAMA).profile().params == linear(FEED_FORWARD) + 2 * 64


@pytest.mark.parametrize("fields", [LLAMA, T5])
def test_macs_are_half_of_what_torch_counts(graphed: Graphed, fields: dict[str, Any]) -> None:
    graph = graphed(fields, seq=12)
    model = load.make(graph.spec, {}).eval()
    model.set_attn_implementation("eager")  # torch 2.9 does not count the fused kernel of a CPU
    ids = torch.zeros(1, 12, dtype=torch.long)
    given = {"input_ids": ids, **({"decoder_input_ids": ids} if fields is T5 else {})}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(**given)
    assert 2 * graph.profile().macs == counter.get_total_flops()


def test_an_image_model_takes_the_size_of_its_configuration(graphed: Graphed) -> None:
    fields = {"model_type": "vit", "image_size": 64, "patch_size": 16, "num_hidden_layers": 1}
    graph = graphed({**fields, "hidden_size": 32, "num_attention_heads": 2}, batch=3)
    assert graph.inputs[0].output.shape == (3, 3, 64, 64)
    assert graph.output.shape == (3, 4 * 4 + 1, 32)


def test_given_inputs_replace_the_model_s_own(graphed: Graphed) -> None:
    assert graphed(LLAMA, input="input_ids=2,7:i64").output.shape == (2, 7, 100)
    with pytest.raises(UsageError, match="--decode makes its own inputs"):
        graphed(LLAMA, input="input_ids=2,7:i64", decode=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**LLAMA, "model_type": "no-such-model"}, "has no model_type 'no-such-model'"),
        ({**LLAMA, "architectures": ["NoSuchModel"]}, "has no model 'NoSuchModel'"),
        ({**LLAMA, "architectures": ["AutoConfig"]}, "has no model 'AutoConfig'"),
        ({**LLAMA, "hidden_size": 10**30}, "cannot be built"),
        ({**LLAMA, "num_attention_heads": 0}, "cannot be|not a usable"),
        ({**LLAMA, "hidden_size": "wide"}, "cannot be|not a usable"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused_in_one_sentence(
    graphed: Graphed, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        graphed(fields)
    assert "\n" not in str(refused.value)


def test_a_second_call_takes_the_graph_from_the_cache_without_torch(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    code = """
import sys
from archcalc.lookup.resolve import resolve
graph = resolve("hf:" + sys.argv[1], options={"seq": sys.argv[2]}, cache=True)
print(graph.profile().macs, "torch" in sys.modules)
"""

    def run(seq: str) -> list[str]:
        import os

        environ = {**os.environ, "ARCHCALC_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-c", code, str(tmp_path), seq]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.split()

    first, second = run("9"), run("9")
    assert (first[1], second[1]) == ("True", "False")
    assert first[0] == second[0]
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, "num_hidden_layers": 1}))
    changed = run("9")
    assert changed[1] == "True"
    assert int(changed[0]) < int(first[0])


UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}


def test_a_model_of_a_pipeline_is_counted(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    from diffusers.models.attention_processor import AttnProcessor

    (tmp_path / "config.json").write_text(json.dumps(UNET))
    graph = archcalc.graph(f"diffusers:{tmp_path}")
    model = diffusers.UNet2DConditionModel.from_config(UNET).eval()
    model.set_attn_processor(AttnProcessor())  # torch 2.9 does not count the fused kernel of a CPU
    given = torch.zeros(1, 4, 8, 8), torch.zeros(1, dtype=torch.long), torch.zeros(1, 77, 24)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*given)
    assert 2 * graph.profile().macs == counter.get_total_flops()
    assert graph.profile().params == sum(each.numel() for each in model.parameters())


def test_flex_attention_is_counted_dense() -> None:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 256, 256, device="cpu")
    size = (1, 2, 256, 16)
    graph = archcalc.trace(lambda x: flex_attention(x, x, x, block_mask=mask), size)
    assert graph.profile().macs == 2 * 256 * 256 * (16 + 16)
    assert not graph.profile().not_counted
