"""The harness with fake clocks and work, and once with real work of known length."""

import gc
import random
import statistics
import time
from types import SimpleNamespace

import pytest

from archcalc.analysis.latency import Warmup
from archcalc.pytorch.bench import cautions
from archcalc.pytorch.bench.devices import Cpu
from archcalc.pytorch.bench.timer import Plan, Sample, is_steady, measure, warm_up
from archcalc.report.sections.cautions import sentences
from tests.pytorch.bench_fakes import FakeClock, FakeWork

PLAN = Plan(budget=1.0, warmup=2.0)
WARM = Warmup(0.2, 20, True)


def timed(length, plan: Plan = PLAN):
    clock = FakeClock()
    work = FakeWork(clock, length)
    (timing,) = measure([work], plan, clock)
    return timing, work


def walls(timing) -> list[float]:
    return [sample.wall for sample in timing.samples]


def warnings(timing, plan: Plan = PLAN) -> str:
    found = cautions.find(walls(timing), timing.warmup, {})
    return " ".join(
        sentences([SimpleNamespace(spec="work", warnings=tuple(found))], with_setting=False)
    )


def test_steady_work_is_timed_exactly_and_without_a_warning() -> None:
    timing, work = timed(lambda call, now: 0.004)
    assert timing.warmup.steady
    assert timing.warmup.seconds >= PLAN.warmup_least
    assert statistics.median(walls(timing)) == pytest.approx(0.004)
    assert len(timing.samples) == pytest.approx(250, abs=5)  # a second's budget
    assert work.calls == timing.warmup.calls + len(timing.samples)
    assert warnings(timing) == ""


def test_work_that_starts_slowly_is_measured_after_warming_up() -> None:
    timing, _ = timed(lambda call, now: 0.002 + 0.03 * 0.9**call)
    assert timing.warmup.steady
    assert timing.warmup.calls > 20
    assert walls(timing)[0] == pytest.approx(0.002, rel=0.05)


def test_an_endless_drift_is_reported() -> None:
    timing, _ = timed(lambda call, now: 0.004 * (1 + call / 50))
    assert not timing.warmup.steady
    assert timing.warmup.seconds >= PLAN.warmup
    assert "was not steady at the end of the warm-up: work" in warnings(timing)
    assert "changed from the first half of the samples to the second: work time +" in warnings(
        timing
    )


def test_work_with_two_speeds_is_reported() -> None:
    draw = random.Random(0)
    timing, _ = timed(lambda call, now: draw.choice([0.004, 0.006]))
    assert "so that the median is of a mixture: work 4 ms and 6 ms" in warnings(timing)


def test_outliers_are_counted_kept_and_do_not_move_the_median() -> None:
    timing, _ = timed(lambda call, now: 0.05 if call % 20 == 7 else 0.004 + (call % 5) * 1e-6)
    assert statistics.median(walls(timing)) == pytest.approx(0.004, rel=0.01)
    assert max(walls(timing)) == pytest.approx(0.05)
    assert "3 IQR above the third quartile; they are kept: work" in warnings(timing)
    assert "two speeds" not in warnings(timing)


def test_wide_noise_is_reported() -> None:
    draw = random.Random(0)
    timing, _ = timed(lambda call, now: draw.uniform(0.004, 0.008))
    assert "The middle half of the samples spreads over" in warnings(timing)


def test_short_work_is_timed_over_many_calls() -> None:
    timing, _ = timed(lambda call, now: 1e-6)
    assert timing.calls == pytest.approx(100, abs=1)
    assert statistics.median(walls(timing)) == pytest.approx(1e-6, rel=1e-3)
    assert len(timing.samples) <= PLAN.most


def test_long_work_has_the_fewest_samples_regardless_of_the_budget() -> None:
    timing, _ = timed(lambda call, now: 3.0)
    assert timing.warmup.calls == 1
    assert len(timing.samples) == PLAN.least


def test_a_wrong_pilot_does_not_cost_many_budgets() -> None:
    clock = FakeClock()
    begun = clock()
    slow_from = begun + 0.5
    work = FakeWork(clock, lambda call, now: 0.001 if now < slow_from else 0.1)
    measure([work], PLAN, clock)
    assert clock() - begun < 4 * PLAN.budget


def test_several_models_take_turns() -> None:
    clock = FakeClock()
    log: list[str] = []
    works = [FakeWork(clock, lambda call, now: 0.05, name) for name in "AB"]
    for work in works:
        work.log = log
    rounds: list[int] = []
    timings = measure(works, PLAN, clock, between=lambda: rounds.append(len(log)))
    turns = "".join(log[rounds[0] :])
    assert turns == "AB" * len(rounds)
    assert len(timings[0].samples) == len(timings[1].samples) == len(rounds) == 20


def test_a_short_turn_starts_with_an_untimed_call() -> None:
    clock = FakeClock()
    last = [""]

    def after_another(name: str):
        def length(call: int, now: float) -> float:
            slow = last[0] != name  # the caches hold the other one's data
            last[0] = name
            return 0.004 if slow else 0.001

        return length

    works = [FakeWork(clock, after_another(name), name) for name in "AB"]
    for timing in measure(works, PLAN, clock):
        assert max(walls(timing)) == pytest.approx(0.001)


def test_a_drift_of_the_machine_affects_all_models_equally() -> None:
    clock = FakeClock()
    begun = clock()

    def length(call: int, now: float) -> float:
        return 0.03 * (1 + 0.2 * (now - begun))

    works = [FakeWork(clock, length), FakeWork(clock, length)]
    one, other = (statistics.median(walls(timing)) for timing in measure(works, PLAN, clock))
    assert one == pytest.approx(other, rel=0.02)


def test_the_garbage_collector_is_paused_and_resumed() -> None:
    clock = FakeClock()
    seen: list[bool] = []

    def length(call: int, now: float) -> float:
        seen.append(gc.isenabled())
        return 0.01

    measure([FakeWork(clock, length)], PLAN, clock)
    assert not any(seen)
    assert gc.isenabled()


def test_too_few_calls_are_not_steady() -> None:
    assert not is_steady([1.0] * 9, 0.02)
    assert is_steady([1.0] * 10, 0.02)


def busy(seconds: float) -> None:
    """Work for a known time by the clock that times it."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Work:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.device = Cpu()

    def sample(self, calls: int) -> Sample:
        return self.device.sample(lambda: busy(self.seconds), calls)


@pytest.mark.parametrize("seconds", [2e-5, 1e-3])
def test_work_of_known_length_is_timed_within_5_percent(seconds: float) -> None:
    plan = Plan(budget=0.2, warmup=0.5, warmup_least=0.05)
    (timing,) = measure([Work(seconds)], plan, time.perf_counter)
    assert statistics.median(walls(timing)) == pytest.approx(seconds, rel=0.05)


def test_a_harness_without_warm_up_fails_the_check() -> None:
    def length(call: int, now: float) -> float:
        return 0.002 * (1 + 9 * 0.97**call)  # the first calls are slow

    honest, _ = timed(length)
    broken, _ = timed(length, Plan(budget=0.2, warmup=1e-9))
    assert statistics.median(walls(honest)) == pytest.approx(0.002, rel=0.05)
    assert statistics.median(walls(broken)) != pytest.approx(0.002, rel=0.05)
    assert "was not steady" in warnings(broken)
    assert "was not steady" not in warnings(honest)


def test_the_pilot_is_the_median_at_the_end_of_the_warm_up() -> None:
    clock = FakeClock()
    work = FakeWork(clock, lambda call, now: 0.5 if call < 3 else 0.01)
    warmup, pilot = warm_up(work, PLAN, clock)
    assert warmup.steady
    assert pilot == pytest.approx(0.01)
