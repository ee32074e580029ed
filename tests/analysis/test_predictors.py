"""How well MACs, bytes, bounds and predictions agree with measured times."""

import pytest

from archcalc.analysis.latency import Latency, Predicted, Setting, Warmup
from archcalc.analysis.predictors import agreements

SETTING = Setting("cpu", "float32", 1, threads=1)


def row(seconds: float, macs: int, predicted: float | None = None, **fields) -> Latency:
    return Latency(
        f"net{macs}",
        f"net{macs}",
        ((1, 3, 32, 32),),
        SETTING,
        (seconds,),
        1,
        1,
        Warmup(0.1, 5, True),
        macs=macs,
        predicted=Predicted(predicted, predicted, predicted) if predicted else None,
        **fields,
    )


def test_a_count_is_scaled_and_a_prediction_is_not() -> None:
    rows = [row(1.0, 100, 2.0), row(2.0, 200, 4.0), row(3.0, 300, 6.0), row(4.0, 400, 8.0)]
    macs, prediction = agreements(rows)
    # 100 MACs a second fit all four.
    assert (macs.predictor, macs.scaled, macs.models) == ("macs", True, 4)
    assert macs.median_error == pytest.approx(0.0)
    assert (macs.within_10, macs.within_20) == (1.0, 1.0)
    assert macs.spearman == pytest.approx(1.0)
    # Each prediction is twice the time, in the right order.
    assert (prediction.predictor, prediction.scaled) == ("prediction", False)
    assert prediction.median_error == pytest.approx(1.0)
    assert prediction.within_20 == 0.0
    assert prediction.spearman == pytest.approx(1.0)


def test_the_constant_is_the_median_in_logarithms() -> None:
    # MACs per second: 50, 100, 100, 200; scaled by 1/100, the errors are 1/2, 0, 0 and 1.
    rows = [row(2.0, 100), row(2.0, 200), row(3.0, 300), row(2.0, 400)]
    assert agreements(rows) == ()  # MACs alone have nothing to be compared with
    rows = [row(each.median, each.macs or 0, each.median) for each in rows]
    macs, prediction = agreements(rows)
    assert macs.median_error == pytest.approx((0 + 0.5) / 2)
    assert macs.within_10 == 0.5
    assert prediction.median_error == 0.0


def test_the_most_misplaced_model_is_named_with_both_places() -> None:
    rows = [row(4.0, 100, 4.0), row(1.0, 200, 1.0), row(2.0, 300, 2.0), row(3.0, 400, 3.0)]
    macs, prediction = agreements(rows)
    assert (macs.misplaced, macs.place, macs.place_in_time) == ("net100", 1, 4)
    # Ranks 1 2 3 4 against 4 1 2 3: 1 - 6 * (9 + 1 + 1 + 1) / (4 * 15).
    assert macs.spearman == pytest.approx(1 - 6 * 12 / 60)
    assert prediction.place == prediction.place_in_time


def test_three_models_have_no_agreement_and_equal_values_no_correlation() -> None:
    rows = [row(seconds, 100, seconds) for seconds in (1.0, 2.0, 3.0, 4.0)]
    assert agreements(rows[:3]) == ()
    macs, prediction = agreements(rows)
    assert macs.spearman is None
    assert prediction.spearman == pytest.approx(1.0)


def test_a_predictor_is_compared_on_the_models_for_which_it_is_known() -> None:
    rows = [row(float(n), 100 * n, float(n), bytes_moved=10 * n) for n in (1, 2, 3, 4, 5)]
    rows.append(row(6.0, 600, 6.0))
    assert [(each.predictor, each.models) for each in agreements(rows)] == [
        ("macs", 6),
        ("bytes", 5),
        ("prediction", 6),
    ]
