"""Language models and detectors of transformers, traced without values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archcalc.errors import UsageError
from archcalc.pytorch.trace import Way, build_on_meta, trace
from archcalc.pytorch.trace.inputs import walk

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
ENCODER = {"encoder_layers": 1, "encoder_attention_heads": 4, "encoder_ffn_dim": 128}
DECODER = {"decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 128}
IDS = torch.ones(2, 16, dtype=torch.long)
WORDS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}


def bert() -> nn.Module:
    return transformers.BertModel(transformers.BertConfig(intermediate_size=128, **SMALL))


def llama() -> nn.Module:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(intermediate_size=128, num_key_value_heads=2, **SMALL)
    )


def gpt2() -> nn.Module:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=64, n_layer=1, n_head=4, vocab_size=100)
    )


def bart() -> nn.Module:
    return transformers.BartModel(
        transformers.BartConfig(d_model=64, vocab_size=100, **ENCODER, **DECODER)
    )


def detr() -> nn.Module:
    return transformers.DetrForObjectDetection(
        transformers.DetrConfig(d_model=64, **ENCODER, **DECODER)
    )


MATH = SDPBackend.MATH
PIXELS = {"pixel_values": torch.zeros(1, 3, 64, 64)}


@pytest.mark.parametrize(
    ("make", "given"), [(bert, WORDS), (llama, WORDS), (bart, WORDS), (detr, PIXELS)]
)
def test_transformers_with_a_mask_need_no_values(make: Any, given: dict[str, Any]) -> None:
    model = build_on_meta(make).eval()
    graph = trace(model, **given)
    assert all("real values" not in note for note in graph.notes)
    real = make().eval()
    # Unfused attention: torch 2.9's counter does not support the CPU's fused kernel.
    with torch.no_grad(), sdpa_kernel(MATH), FlopCounterMode(display=False) as counter:
        real(**given)
    assert 2 * graph.profile().macs == counter.get_total_flops()


def torchs_training_step(model: nn.Module, given: dict[str, Any]) -> list[int]:
    """Return FlopCounterMode's forward and backward counts with unfused attention.

    The CPU's fused kernel computes the scores again in the backward pass.
    """
    with sdpa_kernel(MATH), FlopCounterMode(display=False) as counter:
        roots = [each for _, each in walk(model(**given), "") if each.requires_grad]
        forward = counter.get_total_flops()
        torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
    return [forward, counter.get_total_flops() - forward]


@pytest.mark.parametrize(
    ("make", "given"), [(bert, WORDS), (llama, WORDS), (gpt2, WORDS), (bart, WORDS), (detr, PIXELS)]
)
def test_a_training_step_is_what_torch_counts(make: Any, given: dict[str, Any]) -> None:
    given = {**given, "use_cache": False} if make in (llama, gpt2, bart) else given
    expected = torchs_training_step(make().train(), given)
    ways: tuple[Way, ...] = ("fast",) if make is detr else ("fast", "dispatch", "real")
    for way in ways:
        model = make() if way == "real" else build_on_meta(make)
        graph = trace(model, kwargs=given, train=True, way=way)
        assert [2 * phase.macs for phase in graph.profile().by_phase] == expected


def test_a_cache_of_transformers_is_an_input_and_does_not_grow() -> None:
    model = build_on_meta(llama).eval()
    cache = transformers.DynamicCache(config=model.config)
    keys = torch.zeros(2, 2, 5, 16)
    for layer in range(2):
        cache.update(keys, keys, layer)
    graph = trace(model, kwargs={"input_ids": IDS[:, :1], "past_key_values": cache})
    held = [node.output for node in graph.inputs if "past_key_values" in node.name]
    assert [value.shape for value in held] == 4 * [(2, 2, 5, 16)]
    assert cache.get_seq_length() == 5
    empty = transformers.DynamicCache(config=model.config)
    trace(model, kwargs={"input_ids": IDS, "past_key_values": empty})
    assert empty.get_seq_length() == 0


def test_an_error_about_values_names_the_flag_that_avoids_them() -> None:
    mask = torch.ones(2, 16)  # floating-point, so that the answer is not assumed
    with pytest.raises(UsageError, match='build it with attn_implementation="eager"'):
        trace(build_on_meta(llama), input_ids=IDS, attention_mask=mask)
