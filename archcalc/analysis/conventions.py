"""What other counters report for the same graph, as sums that start from our multiply-adds.

How a tool counts one operator is in the operator's row (``archcalc/ops/counters.py``). Every
convention is checked against the installed tool, to the integer, on every operator and every
registered model (``tests/pytorch/test_crosscheck.py``).
For a declared graph the totals are those that a tool gives for a network of ``torch.nn`` layers,
``+`` and ``*``, as ``archcalc.build`` makes it. Three of the tools look at modules, so the same
network written with functions gives them another number. A traced graph knows which layer made a
node (:attr:`archcalc.graph.Graph.made_by`), and thop and ptflops are followed by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from archcalc.errors import UsageError
from archcalc.graph import Graph, Node
from archcalc.ops import TABLE
from archcalc.ops.counters import Correction, Counters, Rule, Run, nothing, unmultiplied
from archcalc.ops.operator import Kind

FAMILIES: Mapping[str, tuple[Kind, ...]] = {
    "conv": ("conv",),
    "linear": ("linear",),
    "rnn": ("linear",),
    "sparse": ("movement", "reduction"),
    "batchnorm": ("norm",),
    "instancenorm": ("norm",),
    "normalization": ("norm",),
    "activation": ("activation",),
    "pooling": ("pooling",),
    "upsampling": ("elementwise", "movement"),
}
"""What the layers of a file of torch.nn compute; anything else in their calls is a function's."""


@dataclass(frozen=True, slots=True)
class ConventionTotal:
    """What one counter reports, and the way there from our multiply-adds."""

    convention: str
    value: int
    unit: str
    steps: tuple[Correction, ...]
    """The first is our multiply-adds; they add up to ``value``."""


@dataclass(frozen=True, slots=True)
class Convention:
    """One counter's way of counting."""

    name: str
    tool: str
    """Who counts so, and the release whose source was read."""
    unit: str
    describes: str
    """The whole convention in a sentence."""
    rule: Callable[[Counters], Rule]
    """The tool's rule in a row of the operator table."""
    looks_at_modules: bool = False
    """The tool counts modules with parameters, by their sizes."""
    function: Callable[[Counters], Rule] | None = None
    """The tool looks at modules: its rule where a traced network calls a function itself. What the
    tool counts for modules with a rule of their own, such as attention, can differ."""
    methods: bool = True
    """A tensor's method counts as the function of torch.nn that does the same."""
    derived: bool = False
    """A class derived from a layer of torch.nn counts as the layer."""
    evaluation_only: bool = False
    """The tool always puts the model into evaluation mode."""

    @property
    def by_module(self) -> bool:
        """Whether the tool's count depends on the module that makes a call."""
        return self.looks_at_modules or self.function is not None

    def steps(self, graph: Graph, node: Node, macs: int | None = None) -> Iterator[Correction]:
        """What the tool adds to a node's multiply-adds, or leaves out. ``macs`` are they, where
        the caller knows them."""
        run = Run(graph.training, _batch(graph))
        return self._rule(graph, node)(node, _macs(node) if macs is None else macs, run)

    def _rule(self, graph: Graph, node: Node) -> Rule:
        row = TABLE[node.op]
        if self.function is None or graph.made_by is None:
            return self.rule(row.counters)
        maker = graph.made_by.get(node.name)
        if maker is None:
            return self.function(row.counters)
        if maker.family == "tensor" and not self.methods:
            return unmultiplied
        own = row.kind in FAMILIES.get(maker.family, ())
        layer = own and (self.derived or maker.exact)
        return (self.rule if layer else self.function)(row.counters)


def total(graph: Graph, convention: str = "paper") -> ConventionTotal:
    """The figure of one counter for this graph, with the steps from our multiply-adds to it.

    >>> import archcalc
    >>> for label, amount in total(archcalc.graph("inception-5x5"), "torchinfo").steps:
    ...     print(f"{amount:11,} {label}")
    120,422,400 multiply-adds
         25,088 1 per biased convolution output

    Raises UsageError for a convention that is not in :data:`CONVENTIONS`.
    """
    found = amounts(graph, convention)
    first, *rest = (Correction(label, amount) for label, amount in found.items())
    steps = (first, *(step for step in rest if step.amount))
    unit = CONVENTIONS[convention].unit
    return ConventionTotal(convention, sum(found.values()), unit, steps)


def amounts(graph: Graph, convention: str) -> dict[str, int]:
    """What each step of a total adds, zeros too. Raises UsageError as :func:`total` does."""
    if convention not in CONVENTIONS:
        raise UsageError(f"unknown convention {convention!r}: one of {', '.join(CONVENTIONS)}")
    chosen = CONVENTIONS[convention]
    run = graph.eval() if chosen.evaluation_only else graph
    found = {"multiply-adds": sum(map(_macs, graph.executed))}
    if len(run.executed) < len(graph.executed):
        skipped = found["multiply-adds"] - sum(map(_macs, run.executed))
        found["training only, which this tool does not run"] = -skipped
    for node in run.executed:
        if node.op in TABLE:
            for label, amount in chosen.steps(run, node):
                found[label] = found.get(label, 0) + amount
    return found


def _batch(graph: Graph) -> int:
    """The length of the first input: of a list its number of tensors."""
    first = graph.inputs[0]
    head, inside, _ = first.name.partition(".")
    if inside:
        return sum(node.name.startswith(f"{head}.") for node in graph.inputs)
    return first.output.shape[0] if first.output.shape else 1


def by_node(graph: Graph) -> dict[str, tuple[int, ...]]:
    """What each executed node adds to the total of each convention; 0 where the tool does not run
    it.

    >>> import archcalc
    >>> by_node(archcalc.graph("inception-5x5"))["torchinfo"]
    (0, 120447488, 0)
    """
    counted = [(node, _macs(node)) for node in graph.executed]
    found = {}
    for name, chosen in CONVENTIONS.items():
        run = graph.eval() if chosen.evaluation_only else graph
        runs = {id(node) for node in run.executed}
        found[name] = tuple(
            sum((amount for _, amount in chosen.steps(run, node, macs)), macs)
            if id(node) in runs and node.op in TABLE
            else 0
            for node, macs in counted
        )
    return found


def _macs(node: Node) -> int:
    return TABLE[node.op].cost(node).macs if node.op in TABLE else 0


CONVENTIONS: Mapping[str, Convention] = {
    item.name: item
    for item in (
        Convention(
            "paper",
            "archcalc and the papers",
            "MACs",
            "multiply-adds of convolutions, linear layers and matrix products, nothing else",
            lambda row: nothing,
        ),
        Convention(
            "torch",
            "torch.utils.flop_counter.FlopCounterMode (torch 2.14)",
            "FLOPs",
            "2 per multiply-add, nothing else",
            attrgetter("torch"),
        ),
        Convention(
            "fvcore",
            "fvcore.nn.FlopCountAnalysis (fvcore 0.1.5.post20221221)",
            "fvcore flops",
            "1 per multiply-add, 2 per BatchNorm element (5 in training), 5 per LayerNorm or "
            "GroupNorm element, 1 per AdaptiveAvgPool2d input element",
            attrgetter("fvcore"),
        ),
        Convention(
            "torchinfo",
            "torchinfo.summary (torchinfo 1.8.0)",
            "torchinfo mult-adds",
            "parameters times output positions of each layer, so biases and the parameters of "
            "normalisation are in and matrix products are not",
            attrgetter("torchinfo"),
            looks_at_modules=True,
        ),
        Convention(
            "thop",
            "thop.profile (ultralytics-thop 2.2.3)",
            "thop MACs",
            "1 per multiply-add, 4 per normalised element, 1 per value that an average pool reads "
            "and 1 per value that it gives",
            attrgetter("thop"),
            function=attrgetter("thop_function"),
            derived=True,
            evaluation_only=True,
        ),
        Convention(
            "ptflops",
            "ptflops.get_model_complexity_info (ptflops 0.7.5, its pytorch backend)",
            "ptflops MACs",
            "1 per multiply-add and per biased output, 2 per BatchNorm element, 2 per ReLU output "
            "and per pool input",
            attrgetter("ptflops"),
            function=attrgetter("ptflops_function"),
            methods=False,
            evaluation_only=True,
        ),
    )
}
"""Every convention by name, ours first."""
