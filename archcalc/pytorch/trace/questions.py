"""Answer questions about a tensor's values that do not change the counts.

A model may test whether its mask hides anything (``mask.all()``) or whether a number overflowed
(``x.isinf().any()``) to choose between two paths to the same result. On ``meta`` the answer is
unknown, but irrelevant if both paths cost the same. The run assumes the likely answer, is repeated
with the other one, and the counts are compared. Questions that depend on a parameter or on a
floating-point input are not answered this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from archcalc.analysis.profile import profile
from archcalc.errors import DefinitionError
from archcalc.graph import Graph, Value
from archcalc.language import Message
from archcalc.pytorch.trace.recorder import Recorder
from archcalc.pytorch.trace.where import users_line

MAX_NODES = 500
"""Nodes that a question may depend on; a mask takes few."""
MAX_REPEATS = 1000
"""Repeats of one question; a loop that waits for a different answer would never end."""
MAX_QUESTIONS = 8
"""Questions in one run; each costs another run."""

OVERFLOWS = frozenset(("isnan", "isinf"))
"""Tests for overflow, assumed to be false."""


Question = tuple[str, bool]
"""The line that asks, and the likely answer."""
Answers = dict[Question, bool]


class Questions:
    """The questions of one run and their answers."""

    def __init__(self, answers: Answers | None = None) -> None:
        self.given = answers or {}
        self.answers: Answers = {}
        self.asked: dict[Question, int] = {}

    def answer(self, value: Value, recorder: Recorder) -> bool | None:
        """Return the answer to assume, or None if the question needs the value."""
        likely = likely_answer(value, recorder)
        if likely is None:
            return None
        question = users_line(), likely
        self.asked[question] = self.asked.get(question, 0) + 1
        if self.asked[question] > MAX_REPEATS or len(self.asked) > MAX_QUESTIONS:
            return None
        return self.answers.setdefault(question, self.given.get(question, likely))


def likely_answer(value: Value, recorder: Recorder) -> bool | None:
    """Assume that nothing is masked and nothing overflows; return None for other questions."""
    if value.dtype != "bool" or any(size != 1 for size in value.shape):
        return None
    overflows = False
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        source = waiting.pop().source
        if source in seen:
            continue
        seen.add(source)
        record = recorder.records[source]
        if record.op in OVERFLOWS:
            overflows = True
            continue
        if record.op == "isfinite":
            continue
        real = record.outputs[0].dtype.startswith(("float", "bfloat", "complex"))
        if record.weights or (record.op == "input" and real) or len(seen) > MAX_NODES:
            return None
        waiting += record.inputs
    return not overflows and recorder.records[value.source].op != "any"


class Open(NamedTuple):
    """One question whose answer was assumed."""

    line: str
    answer: bool
    operations: int
    """Operations that the other answer adds, multiply-adds excluded."""

    @property
    def note(self) -> Message:
        same = Message("the other answer costs the same")
        if self.operations > 0:
            same = Message(
                "the other answer has the same multiply-adds and {count:,} more other operations",
                count=self.operations,
            )
        elif self.operations:
            same = Message(
                "the other answer has the same multiply-adds and {count:,} fewer other operations",
                count=-self.operations,
            )
        return Message(
            "a question about values at {line} is taken to be {answer}; {same}",
            line=self.line,
            answer="true" if self.answer else "false",
            same=same,
        )


def settle(
    graph: Graph, answers: Answers, again: Callable[[Answers], Graph | None]
) -> list[Open] | str:
    """Return every assumed answer with the cost of its alternative, or the line of a question
    whose answer changes a count.

    ``again`` runs the model with other answers and returns None if it cannot.
    """
    settled = []
    for question, answer in answers.items():
        line = question[0]
        try:
            other = again({**answers, question: not answer})
        except DefinitionError:
            settled.append(Open(line, answer, 0))  # the model rejects the other answer
            continue
        if other is None or _counts(other) != _counts(graph):
            return line
        more = profile(other).flops - profile(graph).flops
        settled.append(Open(line, answer, more))
    return settled


def _counts(graph: Graph) -> tuple[object, ...]:
    """Return the counts that an assumed answer must not change."""
    found = profile(graph)
    phases = [(phase.name, phase.macs) for phase in found.by_phase]
    unknown = sorted(node.op for node in graph if "::" in node.op)
    return found.macs, found.params_executed, phases, unknown
