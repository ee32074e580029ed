"""ConvNeXt-T and ViT-B/16, summed from the formulas of their blocks."""

from __future__ import annotations

import archcalc


def test_convnext_t_is_eighteen_blocks_in_four_stages() -> None:
    params = 4 * 4 * 3 * 96 + 96 + 2 * 96
    macs = 56**2 * 4 * 4 * 3 * 96
    for width, count, side in ((96, 3, 56), (192, 3, 28), (384, 9, 14), (768, 3, 7)):
        mixed = 49 * width + 2 * 4 * width * width  # 7×7 of each channel, two linear layers
        biases = width + 4 * width + width
        params += count * (mixed + biases + 2 * width + width)  # normalisation and layer scale
        macs += count * side**2 * mixed
        if width > 96:
            half = width // 2
            params += 2 * half + 2 * 2 * half * width + width
            macs += side**2 * 2 * 2 * half * width
    params += 2 * 768 + 769 * 1000
    macs += 768 * 1000
    found = archcalc.graph("convnext-tiny").profile()
    assert (found.params, found.macs) == (params, macs) == (28_589_128, 4_455_531_264)


def test_layer_scale_is_a_weight_for_each_channel() -> None:
    graph = archcalc.graph("convnext-tiny")
    scales = [node for node in graph if node.op == "parameter"]
    assert len(scales) == 3 + 3 + 9 + 3
    assert sum(node.params for node in scales) == 3 * 96 + 3 * 192 + 9 * 384 + 3 * 768


def test_vit_b_16_is_twelve_blocks_over_197_tokens() -> None:
    d, mlp, tokens = 768, 3072, 14 * 14 + 1
    attention, layers = 4 * d * d, 2 * d * mlp
    params = 16 * 16 * 3 * d + d + d + tokens * d
    params += 12 * (attention + 4 * d + layers + mlp + d + 4 * d)
    params += 2 * d + (d + 1) * 1000
    macs = 14 * 14 * 16 * 16 * 3 * d + 1000 * d
    macs += 12 * (tokens * (attention + layers) + 2 * tokens**2 * d)
    found = archcalc.graph("vit-b-16").profile()
    assert (found.params, found.macs) == (params, macs) == (86_567_656, 17_563_828_224)


def test_a_larger_image_has_more_positions_and_the_same_other_weights() -> None:
    usual, larger = archcalc.graph("vit-b-16"), archcalc.graph("vit-b-16", input="384x384x3")
    differ = {b.name: b.shape for a, b in zip(usual.weights, larger.weights, strict=True) if a != b}
    assert differ == {"position_embedding": (1, 24 * 24 + 1, 768)}
