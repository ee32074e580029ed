"""Rounding at the edge."""

import pytest

from archcalc.report.units import count, ratio, size


@pytest.mark.parametrize(
    ("value", "si", "zh", "exact"),
    [
        (0, "0", "0", "0"),
        (999, "999", "999", "999"),
        (1000, "1.000k", "1,000", "1,000"),
        (9_999, "9.999k", "1.00万", "9,999"),
        (10_000, "10.00k", "1.00万", "10,000"),
        (12_443_648, "12.44M", "1244万", "12,443,648"),
        (99_999_999, "100.0M", "1.00亿", "99,999,999"),
        (120_422_400, "120.4M", "1.20亿", "120,422,400"),
        (1_582_671_872, "1.583G", "15.8亿", "1,582,671,872"),
        (999_950_000, "1.000G", "10.0亿", "999,950,000"),
        (10**18, "1000P", "1000000万亿", "1,000,000,000,000,000,000"),
        (-120_422_400, "-120.4M", "-1.20亿", "-120,422,400"),
    ],
)
def test_a_count_in_three_systems(value: int, si: str, zh: str, exact: str) -> None:
    assert (count(value, "si"), count(value, "zh"), count(value, "exact")) == (si, zh, exact)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (2**20, "1.00 MiB")],
)
def test_bytes_go_by_1024(value: int, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0×"),
        (0.0422, "0.0422×"),
        (1, "1.00×"),
        (9.6774, "9.68×"),
        (42.04, "42.0×"),
        (1234, "1,234×"),
    ],
)
def test_a_ratio_has_three_figures(value: float, text: str) -> None:
    assert ratio(value) == text
