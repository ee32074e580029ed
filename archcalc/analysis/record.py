"""What every analyzer's record can do for its reader: a frame, a table, a look in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import pandas


class Display(Protocol):
    """Shows records. The report does, and :mod:`archcalc` introduces it to :class:`Record`, so that
    no analyzer imports the report."""

    def terminal_of(self, record: Any) -> str: ...

    def markdown_of(self, record: Any) -> str: ...

    def html_of(self, record: Any) -> str: ...


class Record:
    """A frozen record that can show itself.

    ``print`` shows the table of the command, ``repr`` is one line, and a notebook gets HTML. The
    formats are imported only when somebody looks.
    """

    display: ClassVar[Callable[[], Display]]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row: raw integers, base units, None for what is not known."""
        raise NotImplementedError  # each record has its own rows

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.rows())

    @property
    def headline(self) -> str:
        """A short description of the record, for ``repr``."""
        rows = len(self.rows())
        return f"{rows} row{'' if rows == 1 else 's'}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.headline}>"

    def __str__(self) -> str:
        return type(self).display().terminal_of(self)

    def _repr_markdown_(self) -> str:
        return type(self).display().markdown_of(self)

    def _repr_html_(self) -> str:
        return type(self).display().html_of(self)
