"""Every front end uses evaluation mode unless training is requested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archcalc
from archcalc.lookup.resolve import resolve


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.Dropout())
        self.aux = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return x + self.aux(x) if self.training else x


ONE = 2 * 8 * 8


@pytest.mark.parametrize("own", [True, False])
def test_the_mode_is_evaluation_unless_training_is_requested(own: bool) -> None:
    net = Net().train(own)
    net.body[1].train(not own)
    modes = [module.training for module in net.modules()]
    evaluated = archcalc.trace(net, (2, 8))
    assert (evaluated.training, evaluated.profile().macs) == (False, ONE)
    assert not evaluated["body.1"].attrs["training"]
    trained = archcalc.trace(net, (2, 8), train=True)
    assert trained.training
    assert trained["body.1"].attrs["training"]
    kept = archcalc.trace(net, (2, 8), train=None)
    assert (kept.training, kept.profile().macs) == (own, 2 * ONE if own else ONE)
    assert {node.phase for node in kept} == {"forward"}
    assert kept["body.1"].attrs["training"] is not own
    assert [module.training for module in net.modules()] == modes


def test_notes_and_repr_say_which() -> None:
    net = Net().train()
    assert repr(archcalc.trace(net, (2, 8), train=None)).endswith("nodes, training mode>")
    assert "mode" not in repr(archcalc.trace(net, (2, 8)))
    assert archcalc.trace(net, (2, 8)).notes == ()
    assert archcalc.trace(net, (2, 8), train=None).notes == ("in the module's own mode: training",)
    net.aux.eval()
    (note,) = archcalc.trace(net, (2, 8), train=None).notes
    assert note == "in the modules' own modes: 4 of 5 modules in training mode"


def test_modules_that_torch_does_not_see_follow_the_rule() -> None:
    hidden = nn.Dropout().train()
    graph = archcalc.trace(lambda x: hidden(x), (2, 8))
    assert not graph["dropout"].attrs["training"]
    assert hidden.training


def test_a_module_can_keep_its_norm_frozen() -> None:
    class Frozen(Net):
        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self.body.eval()
            return self

    graph = archcalc.trace(Frozen(), (2, 8), train=True)
    assert not graph["body.1"].attrs["training"]


def test_a_scripted_module_gets_its_mode_back() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.Dropout())).train()
    assert not archcalc.trace(scripted, (2, 8)).training
    assert scripted.training
    assert scripted[1].training


@pytest.mark.parametrize("training", [False, True])
def test_a_saved_program_runs_in_the_mode_that_it_was_exported_in(
    tmp_path: Path, training: bool
) -> None:
    path = tmp_path / "net.pt2"
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout()).train(training)
    torch.export.save(torch.export.export(net, (torch.zeros(2, 8),)), path)
    graph = resolve(str(path), input=["2,8"])
    assert graph.training is training
    mode = "training" if training else "evaluation"
    assert graph.notes == (f"the program was exported in {mode} mode, which cannot be changed",)


def test_a_module_in_a_file_is_counted_in_evaluation_mode(tmp_path: Path) -> None:
    path = tmp_path / "built.py"
    path.write_text("from torch import nn\nnet = nn.Sequential(nn.Linear(8, 8), nn.Dropout())\n")
    assert not resolve(f"{path}:net", input=["2,8"]).training
    assert resolve(f"{path}:net", input=["2,8"], training=True).training


def test_an_optimizer_that_reads_values_runs_with_values() -> None:
    graph = archcalc.trace(nn.Linear(8, 4), (2, 8), train=True, optimizer=torch.optim.Adafactor)
    assert "step() needs values" in graph.notes[0]
    assert "the totals depend on the values that these inputs produce" in graph.notes[0]
    assert [phase.name for phase in graph.profile().by_phase] == [
        "forward",
        "backward",
        "optimizer",
    ]
    assert graph.profile().by_phase[2].flops > 0
