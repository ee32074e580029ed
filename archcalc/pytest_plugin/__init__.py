"""The pytest fixture ``archcalc_budget``, which checks the limits of a network.

    def test_the_network_stays_small(archcalc_budget):
        archcalc_budget("./net.py:Net", input="32x32x3", params="1M", macs="225M", output="10")

It is installed as the top-level package ``archcalc_pytest``. Every run of pytest imports its
plugins, and this one imports archcalc only if a test uses the fixture.
"""

from __future__ import annotations

from typing import Any

import pytest


class BudgetCheck:
    """Fails a test that exceeds its limits, with one line per breach."""

    def __call__(
        self,
        model: Any,
        input: Any = None,
        *,
        exactly: dict[str, Any] | None = None,
        shapes: dict[str, str] | None = None,
        output: str = "",
        **at_most: Any,
    ) -> Any:
        """Check one model and return its profile.

        ``model`` is a name as on the command line, a Graph, or a torch module, which is traced with
        ``input``: ``"32x32x3"``, (N, C, H, W), or any input of :func:`archcalc.trace`. ``at_most``
        has limits by the names of the JSON format (``params``, ``macs``, ``peak_activation_bytes``,
        ...), each an integer or text such as ``"1.5M"``. ``exactly`` has expected figures in the
        same form. ``shapes`` has the output shapes of nodes or modules, such as ``"8x8x10"``, and
        ``output`` is that of the model. Raises UsageError for an unknown figure or an invalid
        model.
        """
        from archcalc.analysis.budget import Budget, check
        from archcalc.analysis.profile import profile
        from archcalc.io.budget_file import figures

        graph = _graph(model, input)
        name = graph.spec or graph.name
        wanted = dict(shapes or {}) | ({"output": output} if output else {})
        budget = Budget(name, (), figures(at_most, name), figures(exactly or {}, name), wanted)
        found = profile(graph)
        _fail(each.sentence for each in check(budget, found) if each.outcome == "breach")
        return found

    def file(self, path: Any = "archcalc.toml") -> Any:
        """Check every model of a budget file and return all checks."""
        import archcalc

        found = archcalc.check(str(path))
        _fail(each.sentence for each in found.breaches)
        return found


@pytest.fixture(scope="session")
def archcalc_budget() -> BudgetCheck:
    """Limits of parameters, MACs, memory and shapes: ``archcalc_budget("nin", params="1M")``."""
    return BudgetCheck()


def _graph(model: Any, input: Any) -> Any:
    from archcalc.graph import Graph

    if isinstance(model, Graph):
        return model
    if isinstance(model, str):
        from archcalc.lookup.resolve import resolve

        return resolve(model, input=input)
    from archcalc import trace
    from archcalc.lookup.inputs import parse_input

    if isinstance(input, str) and "," not in input:
        input = (1, *parse_input(input))
    return trace(model, *([] if input is None else [input]))


def _fail(sentences: Any) -> None:
    __tracebackhide__ = True
    breaches = list(sentences)
    if breaches:
        pytest.fail("\n".join(breaches), pytrace=False)
