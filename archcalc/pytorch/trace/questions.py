"""Questions about a tensor's values that can be left open.

A model asks whether its mask hides anything (``mask.all()``) or whether a number has overflowed
(``x.isinf().any()``) to choose between two ways to the same result. On ``meta`` nobody knows, but
where both ways cost the same, nobody needs to: the run takes the likely answer, is repeated with
the other one, and the counts are compared. Anything that depends on a parameter or on an input of
real numbers is not such a question.
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

LONGEST = 500
"""Nodes behind a question: a mask is made of few."""
OFTEN = 1000
"""Times that one question may be asked; a loop that waits for an answer never gets another one."""
MOST = 8
"""Questions that may be asked in one run; each costs one more run."""

OVERFLOWS = frozenset(("isnan", "isinf"))
"""What asks whether real numbers have overflowed: taken to be false."""


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
        """The answer to take, or None where the question cannot be left open."""
        likely = likely_answer(value, recorder)
        if likely is None:
            return None
        question = users_line(), likely
        self.asked[question] = self.asked.get(question, 0) + 1
        if self.asked[question] > OFTEN or len(self.asked) > MOST:
            return None
        return self.answers.setdefault(question, self.given.get(question, likely))


def likely_answer(value: Value, recorder: Recorder) -> bool | None:
    """Nothing is masked and nothing overflows; None for a question about anything else."""
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
        if record.weights or (record.op == "input" and real) or len(seen) > LONGEST:
            return None
        waiting += record.inputs
    return not overflows and recorder.records[value.source].op != "any"


class Open(NamedTuple):
    """One question that was left open."""

    line: str
    answer: bool
    operations: int
    """What the other answer costs more, multiply-adds apart."""

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
    """Every question left open with what the other answer costs, or the line of a question whose
    answer changes a count. ``again`` runs the model with other answers; None where it cannot."""
    settled = []
    for question, answer in answers.items():
        line = question[0]
        try:
            other = again({**answers, question: not answer})
        except DefinitionError:
            settled.append(Open(line, answer, 0))  # the model refuses the other answer
            continue
        if other is None or _counts(other) != _counts(graph):
            return line
        more = profile(other).flops - profile(graph).flops
        settled.append(Open(line, answer, more))
    return settled


def _counts(graph: Graph) -> tuple[object, ...]:
    """What the answer to a question may not change."""
    found = profile(graph)
    phases = [(phase.name, phase.macs) for phase in found.by_phase]
    unknown = sorted(node.op for node in graph if "::" in node.op)
    return found.macs, found.params_executed, phases, unknown
