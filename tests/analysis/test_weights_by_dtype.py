"""Weights by data type add up to all weights."""

import archcalc
from archcalc.analysis.weights_by_dtype import weights_by_dtype
from archcalc.report.sections.weights_by_dtype import table


def test_one_convolution_takes_four_bytes_per_weight() -> None:
    (row,) = weights_by_dtype(archcalc.graph("inception-5x5"))
    assert row == ("float32", 32 * 192 * 5 * 5 + 32, 4 * (32 * 192 * 5 * 5 + 32))


def test_the_rows_add_up_to_the_weights_of_the_profile() -> None:
    found = archcalc.graph("googlenet").profile()
    rows = weights_by_dtype(found.graph)
    assert sum(row.params for row in rows) == found.params
    assert sum(row.nbytes for row in rows) == found.weight_bytes
    assert table(found).rows[-1] == ("total", found.params, found.weight_bytes)
