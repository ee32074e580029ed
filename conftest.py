"""What pytest collects: without torch, all but the tests of what needs it."""

import importlib.util

WITHOUT_TORCH = importlib.util.find_spec("torch") is None

collect_ignore = ["archcalc/pytorch", "tests/pytorch"] if WITHOUT_TORCH else []


def pytest_report_header() -> str:
    if WITHOUT_TORCH:
        return "torch is not installed: archcalc/pytorch and tests/pytorch are left out"
    return "torch is installed: everything is tested"
