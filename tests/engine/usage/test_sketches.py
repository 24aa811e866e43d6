import random

import pytest

from engine.usage.sketches import Pooled
from tests.engine.usage.library import dumps, loads, sketch


@pytest.mark.parametrize("seed", range(5))
def test_pooled_sketches_are_right_to_one_percent(seed: int) -> None:
    source = random.Random(seed)
    durations = [source.lognormvariate(3, 2) for _ in range(5_000)]
    pooled = Pooled()
    for start in range(0, 4_000, 500):
        pooled.add_stored(dumps(durations[start : start + 500]))
    for duration in durations[4_000:]:
        pooled.add(duration)

    found = pooled.quantiles(0, 0.5, 0.95, 0.99, 1)

    ordered = sorted(durations)
    exact = [ordered[int(q * (len(ordered) - 1))] for q in (0, 0.5, 0.95, 0.99, 1)]
    assert found == pytest.approx(exact, rel=0.0101)


def test_pooling_says_what_the_library_says_of_merged_sketches() -> None:
    parts = [[0.0, 1.0, 2.0, 30.0], [0.5, 900.0], [7.0]]
    library = sketch(duration for part in parts for duration in part)
    pooled = Pooled()
    for part in parts:
        pooled.add_stored(dumps(part))

    quantiles = (0.0, 0.25, 0.5, 0.75, 0.99)

    expected = [library.get_quantile_value(q) for q in quantiles]
    assert pooled.quantiles(*quantiles) == pytest.approx(expected)


def test_nothing_has_no_quantiles() -> None:
    pooled = Pooled()
    pooled.add_stored(b"")

    assert pooled.quantiles(0.5, 0.99) == [None, None]


def test_durations_of_nothing_are_zero() -> None:
    pooled = Pooled()
    pooled.add(0)

    assert pooled.quantiles(0.5) == [0.0]


def test_what_is_included_counts_with_the_rest() -> None:
    first, second = Pooled(), Pooled()
    first.add(1)
    second.add(100)
    first.include(second)

    assert first.quantiles(0, 1) == pytest.approx([1, 100], rel=0.01)


def test_what_is_stored_is_read_by_the_library_and_by_us_alike() -> None:
    pooled = Pooled()
    for duration in (0.0, 1.0, 2.0, 900.0):
        pooled.add(duration)
    pooled.add(30.0, times=2)

    read = Pooled()
    read.add_stored(pooled.dumps())

    quantiles = (0.0, 0.25, 0.5, 0.75, 1.0)
    assert read.quantiles(*quantiles) == pooled.quantiles(*quantiles)
    assert loads(pooled.dumps()).count == 6
    assert loads(pooled.dumps()).get_quantile_value(0.5) == pytest.approx(pooled.quantiles(0.5)[0])
    assert Pooled().dumps() == b""
