"""Headers of safetensors files, written here byte by byte; no tensor has data that is read."""

from __future__ import annotations

import json
import os
from math import prod
from pathlib import Path

import pytest

import archcalc
from archcalc.cli import run
from archcalc.errors import UsageError

BITS = {"F32": 32, "BF16": 16, "I32": 32, "I64": 64, "U8": 8, "F8_E4M3": 8, "F4": 4, "F6_E2M3": 6}


def save(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> Path:
    """A file with the tensors one after another."""
    header, at = {}, 0
    for name, (dtype, shape) in tensors.items():
        end = at + prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    return save_raw(path, header, at)


def save_raw(path: Path, header: object, size: int) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + size)
    return path


def shards(folder: Path) -> dict[str, str]:
    """Two layers, each in a shard of its own; the shard of each tensor."""
    found = {}
    for at in range(2):
        name = f"model-{at + 1:05}-of-00002.safetensors"
        save(folder / name, {f"layers.{at}.weight": ("BF16", [4, 3])})
        found[f"layers.{at}.weight"] = name
    return found


def save_index(folder: Path, shard_of: object) -> Path:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": shard_of}))
    return path


def test_parameters_and_bytes_are_told_by_dtype_and_by_module(tmp_path):
    file = save(
        tmp_path / "model.safetensors",
        {
            "conv.weight": ("F32", [8, 3, 5, 5]),
            "conv.bias": ("F32", [8]),
            "fc.weight": ("BF16", [10, 8]),
        },
    )
    found = archcalc.weights(str(file))
    conv, fc = 8 * 3 * 5 * 5 + 8, 10 * 8
    assert (found.params, found.nbytes) == (conv + fc, 4 * conv + 2 * fc)
    assert [(row.dtype, row.params, row.nbytes) for row in found.by_dtype()] == [
        ("float32", conv, 4 * conv),
        ("bfloat16", fc, 2 * fc),
    ]
    assert [(part.name, part.params) for part in found.parts()] == [("conv", conv), ("fc", fc)]


def test_the_file_of_the_safetensors_package_is_read(tmp_path):
    numpy = pytest.importorskip("numpy")
    safetensors = pytest.importorskip("safetensors.numpy")
    path = str(tmp_path / "model.safetensors")
    sizes = {"a.weight": (7, 5), "b": (), "c.none": (0, 3)}
    safetensors.save_file({key: numpy.zeros(size, "float16") for key, size in sizes.items()}, path)
    found = archcalc.weights(path)
    assert {tensor.name: tensor.shape for tensor in found.tensors} == sizes
    assert found.nbytes == 2 * (7 * 5 + 1)


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("F4", [3, 6], 9), ("F6_E2M3", [4], 3), ("F8_E4M3", [5], 5), ("U8", [0, 9], 0)],
)
def test_elements_below_a_byte_take_their_bits(tmp_path, dtype, shape, size):
    found = archcalc.weights(str(save(tmp_path / "net.safetensors", {"w": (dtype, shape)})))
    assert (found.params, found.nbytes) == (prod(shape), size)


PACKED = {
    "GPTQ, four bits in rows of int32": (
        {
            "a.qweight": ("I32", [64 // 8, 10]),
            "a.scales": ("BF16", [2, 10]),
            "a.g_idx": ("I32", [64]),
        },
        "a.qweight",
        (4, 64 * 10),
    ),
    "GPTQ, three bits": (
        {
            "a.qweight": ("I32", [64 * 3 // 32, 10]),
            "a.scales": ("BF16", [2, 10]),
            "a.g_idx": ("I32", [64]),
        },
        "a.qweight",
        (3, 64 * 10),
    ),
    "AWQ, four bits in columns": (
        {"a.qweight": ("I32", [64, 16 // 8]), "a.scales": ("BF16", [2, 16])},
        "a.qweight",
        (4, 64 * 16),
    ),
    "NF4 of bitsandbytes": (
        {
            "a.weight": ("U8", [64 * 10 // 2, 1]),
            "a.weight.quant_state.bitsandbytes__nf4": ("U8", [90]),
        },
        "a.weight",
        (4, 64 * 10),
    ),
    "NVFP4, a scale for 16": (
        {"a.weight": ("U8", [10, 64 // 2]), "a.weight_scale": ("F8_E4M3", [10, 64 // 16])},
        "a.weight",
        (4, 64 * 10),
    ),
    "MXFP4, a scale for 32": (
        {"a_blocks": ("U8", [10, 64 // 32, 16]), "a_scales": ("U8", [10, 64 // 32])},
        "a_blocks",
        (4, 64 * 10),
    ),
    "nothing says that they are packed": (
        {"a.weight": ("U8", [10, 32]), "a.scales": ("BF16", [10])},
        "a.weight",
        (0, 320),
    ),
}


@pytest.mark.parametrize("case", PACKED)
def test_packed_weights_are_counted_with_their_true_bits(tmp_path, case):
    tensors, name, (bits, weights) = PACKED[case]
    found = archcalc.weights(str(save(tmp_path / "net.safetensors", tensors)))
    tensor = next(tensor for tensor in found.tensors if tensor.name == name)
    dtype, shape = tensors[name]
    assert (tensor.bits, tensor.params) == (bits, weights)
    assert tensor.nbytes == prod(shape) * BITS[dtype] // 8


def test_a_folder_and_its_index_hold_the_same(tmp_path):
    index = save_index(tmp_path, shards(tmp_path))
    by_index, by_folder = archcalc.weights(str(index)), archcalc.weights(str(tmp_path))
    assert by_index.tensors == by_folder.tensors
    assert by_index.params == 2 * 4 * 3
    index.unlink()
    assert archcalc.weights(str(tmp_path)).tensors == by_folder.tensors


def test_modules_that_differ_only_in_a_number_are_one_row(tmp_path):
    sizes = {f"h.{at}.{name}.weight": ("BF16", [4, 4]) for at in range(12) for name in "qk"}
    sizes["h.3.q.weight"] = ("BF16", [8, 4])
    found = archcalc.weights(str(save(tmp_path / "net.safetensors", sizes)))
    assert {(part.name, part.modules, part.params) for part in found.parts()} == {
        ("h.{0..2,4..11}.q", 11, 11 * 16),
        ("h.3.q", 1, 32),
        ("h.{0..11}.k", 12, 12 * 16),
    }
    assert [part.name for part in found.parts(1)] == ["h"]


def test_one_shard_of_several_says_so(tmp_path):
    name = next(iter(shards(tmp_path).values()))
    assert "This is shard 1 of 2" in archcalc.weights(str(tmp_path / name)).notes[0]


@pytest.mark.parametrize("given", ["folder", "index"])
def test_a_missing_shard_is_named(tmp_path, given):
    index = save_index(tmp_path, shards(tmp_path))
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    if given == "folder":
        index.unlink()
    with pytest.raises(UsageError, match=r"missing model-00002-of-00002\.safetensors"):
        archcalc.weights(str(tmp_path if given == "folder" else index))


@pytest.mark.parametrize(
    "name",
    ["../net.safetensors", "/net.safetensors", "model.safetensors.index.json", "a/../../b", 7],
)
def test_an_index_names_only_files_in_its_folder(tmp_path, name):
    with pytest.raises(UsageError, match=r"is not the name of a \.safetensors file"):
        archcalc.weights(str(save_index(tmp_path, {"w": name})))


@pytest.mark.parametrize("shard_of", [{}, [], None, "x"])
def test_an_index_without_a_map_is_refused(tmp_path, shard_of):
    with pytest.raises(UsageError, match="has no weight_map"):
        archcalc.weights(str(save_index(tmp_path, shard_of)))


def test_an_index_that_puts_a_tensor_in_the_wrong_shard_is_refused(tmp_path):
    shard_of = shards(tmp_path)
    shard_of["layers.0.weight"] = shard_of["layers.1.weight"]
    shard_of["layers.9.weight"] = "model-00001-of-00002.safetensors"
    with pytest.raises(UsageError, match=r"'layers.0.weight' is not in model-00002"):
        archcalc.weights(str(save_index(tmp_path, shard_of)))


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / f"{name}.safetensors", {"w": ("F32", [2])})
    with pytest.raises(UsageError, match=r"'w' is in a\.safetensors and in b\.safetensors"):
        archcalc.weights(str(tmp_path))


def tensor(**changed: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changed}


HOSTILE: dict[str, tuple[object, int, str]] = {
    "not JSON": (b"\x00" * 9, 0, "is not JSON"),
    "not UTF-8": (b"\xff\xfe{}", 0, "is not UTF-8"),
    "a list": ([], 0, "is not a table"),
    "a key twice": (b'{"w": {}, "w": {}}', 0, "given twice"),
    "nested without end": (b"[" * 100_000, 0, "nested too deeply"),
    "no shape": ({"w": {"dtype": "F32"}}, 0, "has no dtype, shape or data_offsets"),
    "an unknown dtype": ({"w": tensor(dtype="F3")}, 24, "unknown dtype 'F3'"),
    "a dtype that is a list": ({"w": tensor(dtype=[])}, 24, "unknown dtype"),
    "a negative size": ({"w": tensor(shape=[-2, -3])}, 24, "whole numbers"),
    "a size that is true": ({"w": tensor(shape=[True, 6])}, 24, "whole numbers"),
    "three offsets": ({"w": tensor(data_offsets=[0, 1, 24])}, 24, "whole numbers"),
    "a giant size": ({"w": tensor(shape=[2**300])}, 24, "its shape needs .* bytes"),
    "digits without end": (b'{"w": ' + b"9" * 9999 + b"}", 0, "thousands of digits"),
    "too small a place": ({"w": tensor(data_offsets=[0, 20])}, 20, "its data_offsets span 20"),
    "offsets that go back": ({"w": tensor(data_offsets=[24, 0])}, 24, "its data_offsets span -24"),
    "beyond the file": ({"w": tensor()}, 20, "take 24 bytes, the file has 20"),
    "bytes without a tensor": ({"w": tensor()}, 30, "take 24 bytes, the file has 30"),
    "a gap": ({"w": tensor(data_offsets=[8, 32])}, 32, "leaves a gap"),
    "an overlap": ({"v": tensor(), "w": tensor(data_offsets=[12, 36])}, 36, "overlaps"),
    "half a byte": ({"w": tensor(dtype="F4", shape=[3])}, 24, "do not fill whole bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_header_is_refused_in_one_sentence(tmp_path, case):
    header, size, match = HOSTILE[case]
    with pytest.raises(UsageError, match=match) as refused:
        archcalc.weights(str(save_raw(tmp_path / "net.safetensors", header, size)))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 800


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 8, (99).to_bytes(8, "little") + b"{"])
def test_a_truncated_file_is_refused(tmp_path, content):
    file = tmp_path / "net.safetensors"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="its header should end at"):
        archcalc.weights(str(file))


def test_a_header_above_the_limit_of_the_format_is_not_read(tmp_path):
    file = tmp_path / "net.safetensors"
    file.write_bytes((200_000_000).to_bytes(8, "little"))
    os.truncate(file, 300_000_000)
    with pytest.raises(UsageError, match="the format allows 100,000,000"):
        archcalc.weights(str(file))


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "net.safetensors")
    with pytest.raises(UsageError, match="is not a file"):
        archcalc.weights(str(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "html", "latex"])
def test_params_prints_every_format(tmp_path, capsys, form):
    file = str(save(tmp_path / "net.safetensors", {"fc.weight": ("BF16", [10, 64])}))
    assert run(["params", file, "--format", form]) == 0
    printed = capsys.readouterr().out
    assert "fc" in printed
    assert "640" in printed
    if form == "json":
        assert json.loads(printed)["bytes"] == 2 * 640


@pytest.mark.parametrize("words", [["flops", "FILE"], ["compare", "nin", "FOLDER"]])
def test_other_commands_say_what_reads_weights(tmp_path, capsys, words):
    file = save(tmp_path / "net.safetensors", {"fc.weight": ("BF16", [10, 64])})
    names = {"FILE": str(file), "FOLDER": str(tmp_path)}
    assert run([names.get(word, word) for word in words]) == 2
    assert "`archcalc params` shows its parameters and bytes" in capsys.readouterr().err


def test_options_of_models_do_not_apply_to_weights(tmp_path, capsys):
    file = save(tmp_path / "net.safetensors", {"fc.weight": ("BF16", [10, 64])})
    assert run(["params", str(file), "--batch", "2"]) == 2
    assert "do not apply" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert run(["params", str(tmp_path / "net.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_registered_name_is_the_model_even_beside_a_folder_of_weights(tmp_path, monkeypatch):
    (tmp_path / "nin").mkdir()
    save(tmp_path / "nin" / "best.safetensors", {"fc.weight": ("BF16", [10, 64])})
    monkeypatch.chdir(tmp_path)
    assert archcalc.graph("nin").profile().macs > 0
