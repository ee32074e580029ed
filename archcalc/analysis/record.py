"""What every analyzer's record can do for its reader: a frame, a table, a look in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


class Record:
    """A frozen record that can show itself.

    ``print`` shows the table of the command, ``repr`` is one line, and a notebook gets HTML. The
    formats are imported only when somebody looks.
    """

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row: raw integers, base units, None for what is not known."""
        raise NotImplementedError  # each record has its own rows

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.rows())

    @property
    def headline(self) -> str:
        """What ``repr`` says about the record, in a few words."""
        rows = len(self.rows())
        return f"{rows} row{'' if rows == 1 else 's'}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.headline}>"

    def __str__(self) -> str:
        from archcalc.report.formats.terminal import terminal
        from archcalc.report.sections import show

        return terminal(show(self)).rstrip("\n")

    def _repr_markdown_(self) -> str:
        from archcalc.report.formats.markdown import markdown
        from archcalc.report.sections import show

        report = show(self)
        return markdown(report.tables, report.notes)

    def _repr_html_(self) -> str:
        from archcalc.report.formats.html import html_report
        from archcalc.report.sections import show

        return html_report(show(self))
