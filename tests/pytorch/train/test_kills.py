"""A training that is killed at random moments loses nothing."""

import pytest

from tests.corpus.kills import kills

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("count", "torchrun"), [(40, False), (10, True)])
def test_kills_at_random_moments_lose_nothing(count: int, torchrun: bool) -> None:
    tried, wrong = kills(count, torchrun)
    assert tried == count
    assert wrong == []
