"""What training keeps, against what autograd really packs: to the byte, over the registry."""

import pytest
import torch

import archcalc
from archcalc.lookup import registry

SMALL = {
    "alexnet": "227x227x3",
    "alexnet-torchvision": "96x96x3",
    "convnext-tiny": "64x64x3",
    "densenet121": "64x64x3",
    "efficientnet-b0": "64x64x3",
    "googlenet": "96x96x3",
    "googlenet-bn": "96x96x3",
    "mobilenet-v1": "64x64x3",
    "mobilenet-v2": "64x64x3",
    "mobilenet-v3-large": "64x64x3",
    "mobilenet-v3-small": "64x64x3",
    "nin-mnist-v0": "112x112x1",
    "nin-mnist-v1": "112x112x1",
    "nin-mnist-v2": "112x112x1",
    "resnet18": "64x64x3",
    "resnet34": "64x64x3",
    "resnet50": "64x64x3",
    "resnet101": "64x64x3",
    "resnet152": "64x64x3",
    "resnext50": "64x64x3",
    "se-resnet50": "64x64x3",
    "shufflenet-v2": "64x64x3",
    "sknet50": "64x64x3",
    "squeezenet": "64x64x3",
    "unet": "188x188x1",
    "vgg16": "32x32x3",
    "vit-b-16": "64x64x3",
}


def packed_bytes(model: torch.nn.Module, x: torch.Tensor) -> int:
    """Bytes of every storage that autograd packs in one forward pass, the model's own aside."""
    own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    storages: dict[int, int] = {}
    alive = []  # an address means something only while its tensor lives

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(storages.values())


@pytest.mark.parametrize("name", registry.names())
def test_autograd_keeps_what_the_reading_says(name: str) -> None:
    graph = archcalc.graph(name, input=SMALL.get(name), batch=2, training=True)
    model = archcalc.build(graph).train()
    counted = graph.profile().memory.saved_bytes
    # The mask is counted as the byte that CUDA keeps; on the CPU it is a float of four.
    cpu = sum(3 * node.output.numel for node in graph if node.op == "dropout")
    assert packed_bytes(model, torch.rand(graph.inputs[0].output.shape)) == counted + cpu


def test_a_parameter_that_is_read_by_itself_is_no_activation() -> None:
    class Shifted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(1, 16, 4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.shift

    memory = archcalc.trace(Shifted(), (1, 16, 4, 4)).profile().memory
    kibibyte = 4 * 16 * 4 * 4
    assert memory.weight_bytes == kibibyte
    assert memory.peak_bytes == 2 * kibibyte  # the input and the sum
