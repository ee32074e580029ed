"""The exceptions of archcalc, each with the built-in class that it also derives from:

    ArchcalcError
    ├── UsageError (ValueError)       a wrong option, shape, unit or file name
    │   ├── UnknownModelError (LookupError)
    │   ├── UnknownLayerError (KeyError)
    │   └── NoFormulaError            the cost of a torch model is not a function of its sizes
    ├── ShapeError (ValueError)       an operator cannot take the shapes it was given
    │   └── DefinitionError           the same, with the node's name and the graph up to it
    └── MissingExtraError (ImportError)   a command needs an extra that is not installed

A message is one sentence that says what is wrong, what was expected and what to do. The command
line prints it to standard error and exits with 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archcalc.graph import Graph


class ArchcalcError(Exception):
    """Base class of all errors that archcalc raises. The message is one sentence."""


class UsageError(ArchcalcError, ValueError):
    """An option, shape, unit or file is wrong."""


class UnknownModelError(UsageError, LookupError):
    """No architecture has this name."""


class UnknownLayerError(UsageError, KeyError):
    """A profile has no layer or module of this name."""

    __str__ = Exception.__str__  # KeyError would put the sentence in quotes


class NoFormulaError(UsageError):
    """The cost of a torch model cannot be expressed as a function of its input sizes."""


class ShapeError(ArchcalcError, ValueError):
    """An operator cannot take the shapes that it was given."""


class DefinitionError(ShapeError):
    """A ShapeError in a definition, with the node's name and the graph up to that node."""

    def __init__(self, message: str, node: str, partial: Graph) -> None:
        super().__init__(message)
        self.node = node
        self.partial = partial


class MissingExtraError(ArchcalcError, ImportError):
    """A feature needs an extra of archcalc that is not installed."""


@contextmanager
def needs(extra: str, what: str, *, otherwise: str = "") -> Iterator[None]:
    """Convert import errors in the block to MissingExtraError, which names the extra to install.

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
    """The error about a package that is not installed, with the command that installs it."""
    instead = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(
        f"{what} needs {name}, which is not installed: pip install 'archcalc[{extra}]'{instead}"
    )
