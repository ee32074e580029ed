"""Numbers for people: SI, Chinese 亿 and 万, or exact. Rounding happens here and nowhere else."""

from __future__ import annotations

from typing import Literal

Units = Literal["si", "zh", "exact"]
UNITS: tuple[Units, ...] = ("si", "zh", "exact")

SI = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
ZH = ((10**12, "万亿"), (10**8, "亿"), (10**4, "万"))
TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def count(value: int, units: Units = "si") -> str:
    """A count in at least three figures.

    >>> [count(120_422_400, units) for units in ("si", "zh", "exact")]
    ['120.4M', '1.20亿', '120,422,400']
    >>> count(12_443_648, "zh"), count(999_999), count(832)
    ('1244万', '1.000M', '832')
    """
    if units == "exact":
        return f"{value:,}"
    scale, digits = (SI, 4) if units == "si" else (ZH, 3)
    return _scaled(value, scale, digits, f"{value:,}")


def size(nbytes: int, units: Units = "si") -> str:
    """Bytes in powers of 1024.

    >>> size(3_145_728), size(3_145_728, "exact"), size(96)
    ('3.00 MiB', '3,145,728 B', '96 B')
    """
    if units == "exact":
        return f"{nbytes:,} B"
    return _scaled(nbytes, [(unit, f" {name}") for unit, name in BINARY], 3, f"{nbytes:,} B")


def ratio(value: float) -> str:
    """A ratio in three figures.

    >>> ratio(9.6774), ratio(0.5), ratio(20.03), ratio(1234.5)
    ('9.68×', '0.500×', '20.0×', '1,234×')
    """
    if value >= 100:
        return f"{value:,.0f}×"
    if value >= 1:
        return f"{value:.1f}×" if value >= 10 else f"{value:.2f}×"
    return f"{value:#.3g}×" if value else "0×"


def duration(seconds: float) -> str:
    """Seconds in four figures.

    >>> duration(0.00063884), duration(1.25), duration(8.6e-7)
    ('638.8 µs', '1.250 s', '860.0 ns')
    """
    for unit, name in TIME:
        if float(f"{seconds / unit:.4g}") >= 1:
            whole = len(str(int(float(f"{seconds / unit:.4g}"))))
            return f"{seconds / unit:.{max(4 - whole, 0)}f} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def clock(seconds: float) -> str:
    """Seconds of a long run.

    >>> clock(4.21), clock(725), clock(7500)
    ('4.2 s', '12 min 05 s', '2 h 05 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def plain(value: float) -> str:
    """A number in three figures, never with an exponent.

    >>> plain(1564.8), plain(0.0421), plain(37.96)
    ('1,565', '0.0421', '38.0')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.{2 - len(str(int(abs(value)))) + 1}f}"


def _scaled(
    value: int, scale: list[tuple[int, str]] | tuple[tuple[int, str], ...], digits: int, small: str
) -> str:
    """``value`` in the largest unit that it reaches once rounded, in ``digits`` figures."""
    magnitude = abs(value)
    for unit, name in scale:
        number = f"{magnitude / unit:.{digits}g}"
        if float(number) >= 1:
            whole = len(str(int(float(number))))
            text = f"{magnitude / unit:.{max(digits - whole, 0)}f}"
            return ("-" if value < 0 else "") + text + name
    return small
