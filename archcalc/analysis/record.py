"""What every reading's record can do for its reader: a frame, and a look in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


class Record:
    """A frozen record that can show itself as rows of raw values."""

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a row: raw integers, base units, None for what is not known."""
        raise NotImplementedError  # each record has its own rows

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.rows())

    def _repr_markdown_(self) -> str:
        # Records look forward to the writers only here, when a notebook asks.
        from archcalc.report.formats.markdown import markdown
        from archcalc.report.table import plain_table

        return markdown([plain_table(self.rows())])

    def _repr_html_(self) -> str:
        from archcalc.report.formats.html import html_table
        from archcalc.report.table import plain_table

        return html_table(plain_table(self.rows()))
