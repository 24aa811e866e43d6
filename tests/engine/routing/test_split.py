from collections import Counter

from engine.routing.split import ranked

CALLERS = [f"caller {number}" for number in range(10_000)]


def drawn(weights: dict[str, int], alias: str = "alias") -> list[str]:
    """Returns the target that each of 10,000 callers gets."""
    targets = [(name, name, weight) for name, weight in weights.items()]
    return [ranked(alias, caller, targets)[0] for caller in CALLERS]


def test_ten_thousand_callers_are_split_70_20_10_within_four_standard_deviations() -> None:
    counted = Counter(drawn({"a": 70, "b": 20, "c": 10}))

    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        deviation = (len(CALLERS) * share * (1 - share)) ** 0.5
        assert abs(counted[name] - len(CALLERS) * share) < 4 * deviation


def test_from_50_50_to_60_40_one_caller_in_ten_moves_and_nobody_the_other_way() -> None:
    before, after = drawn({"a": 50, "b": 50}), drawn({"a": 60, "b": 40})

    moved = Counter((old, new) for old, new in zip(before, after, strict=True) if old != new)

    assert set(moved) == {("b", "a")}
    assert 900 <= moved["b", "a"] <= 1100


def test_a_new_target_takes_from_each_of_the_others_and_moves_nobody_between_them() -> None:
    before, after = drawn({"a": 1, "b": 1}), drawn({"a": 1, "b": 1, "c": 1})

    moved = {new for old, new in zip(before, after, strict=True) if old != new}

    assert moved == {"c"}


def test_the_same_caller_gets_the_same_target_every_time_and_another_one_of_another_alias() -> None:
    weights = {"a": 1, "b": 1}

    assert drawn(weights) == drawn(weights)
    assert 4500 < sum(a == b for a, b in zip(drawn(weights), drawn(weights, "other"), strict=True)) < 5500


def test_a_target_without_weight_is_never_drawn_and_never_stands_in() -> None:
    assert ranked("alias", "caller", [("a", "a", 0), ("b", "b", 1)]) == ["b"]


def test_any_text_is_a_key() -> None:
    assert ranked("alias", "\ud800 é 😀 \0", [("a", "a", 1)]) == ["a"]
