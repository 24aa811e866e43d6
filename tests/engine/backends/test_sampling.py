import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.sampling import Sampler, Sampling

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))


def shares(sampling: Sampling, seed: int = 0, draws: int = 4000) -> list[float]:
    sampler = Sampler(sampling, seed)
    drawn = np.bincount([sampler.draw(LOGITS) for _ in range(draws)], minlength=len(LOGITS))
    return [float(share) for share in drawn / draws]


def test_at_temperature_0_the_likeliest_is_taken() -> None:
    assert shares(Sampling(temperature=0, top_p=1), draws=50) == [1, 0, 0, 0]


def test_at_temperature_1_each_is_drawn_as_often_as_it_is_likely() -> None:
    assert shares(Sampling(temperature=1, top_p=1)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_a_higher_temperature_evens_the_odds() -> None:
    odds = np.sqrt([0.5, 0.3, 0.15, 0.05])

    assert shares(Sampling(temperature=2, top_p=1)) == pytest.approx(list(odds / odds.sum()), abs=0.03)


def test_top_p_draws_only_from_the_likeliest_that_add_up_to_it() -> None:
    assert shares(Sampling(temperature=1, top_p=0.7)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)


def test_the_smallest_top_p_leaves_the_likeliest() -> None:
    assert shares(Sampling(temperature=1, top_p=1e-9), draws=50) == [1, 0, 0, 0]


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    sampling = Sampling(temperature=1, top_p=1)

    assert shares(sampling, 7, 50) == shares(sampling, 7, 50) != shares(sampling, 8, 50)


def test_without_a_seed_no_two_samplers_draw_the_same() -> None:
    logits = np.zeros(1000, np.float32)
    drawn = []
    for _ in range(2):
        sampler = Sampler(Sampling(temperature=1, top_p=1), None)
        drawn.append([sampler.draw(logits) for _ in range(20)])

    assert drawn[0] != drawn[1]


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=50),
    st.floats(0, 2),
    st.floats(1e-9, 1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_any_logits_and_parameters_give_one_of_the_tokens(
    logits: list[float], temperature: float, top_p: float, seed: int
) -> None:
    token = Sampler(Sampling(temperature, top_p), seed).draw(np.array(logits, np.float32))

    assert 0 <= token < len(logits)
