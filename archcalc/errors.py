"""What archcalc raises. The tree, with the built-in that each class also is:

    ArchcalcError
    ├── UsageError (ValueError)       a wrong option, shape, unit or file name
    │   ├── UnknownModelError (LookupError)
    │   ├── UnknownLayerError (KeyError)
    │   └── NoFormulaError            the cost of a torch model is not a function of its sizes
    ├── ShapeError (ValueError)       an operator cannot take the shapes it was given
    │   └── DefinitionError           the same, with the node's name and the graph up to it
    └── MissingExtraError (ImportError)   a command needs an extra that is not installed

A message is one sentence that says what was asked, what was got, and what would be valid. The
command line prints it on stderr and exits with 2; the library lets the caller catch it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archcalc.graph import Graph


class ArchcalcError(Exception):
    """Anything that archcalc refuses, in one sentence."""


class UsageError(ArchcalcError, ValueError):
    """A wrong option, shape, unit or file."""


class UnknownModelError(UsageError, LookupError):
    """No architecture has this name."""


class UnknownLayerError(UsageError, KeyError):
    """A profile has no layer or module of this name."""

    __str__ = Exception.__str__  # KeyError would show the sentence in quotes


class NoFormulaError(UsageError):
    """What a torch model costs is not known as a function of the sizes of its inputs."""


class ShapeError(ArchcalcError, ValueError):
    """An operator cannot take the shapes that it was given."""


class DefinitionError(ShapeError):
    """A ShapeError with its place: the node's name, and the graph as far as it went."""

    def __init__(self, message: str, node: str, partial: Graph) -> None:
        super().__init__(message)
        self.node = node
        self.partial = partial


class MissingExtraError(ArchcalcError, ImportError):
    """A feature needs an extra of archcalc that is not installed."""


@contextmanager
def needs(extra: str, what: str, *, otherwise: str = "") -> Iterator[None]:
    """Around imports: raises MissingExtraError, which names the extra of archcalc that has them.

    >>> with needs("report", "the page"):
    ...     import no_such_module
    Traceback (most recent call last):
    archcalc.errors.MissingExtraError: the page needs no_such_module, which is not installed: pip \
install 'archcalc[report]'
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error, MissingExtraError):
            raise
        raise missing(extra, what, error.name, otherwise=otherwise) from error


def missing(extra: str, what: str, name: str | None, *, otherwise: str = "") -> MissingExtraError:
    """The one sentence about something that is not installed."""
    instead = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(
        f"{what} needs {name}, which is not installed: pip install 'archcalc[{extra}]'{instead}"
    )
