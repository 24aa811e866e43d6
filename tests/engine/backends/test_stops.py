from hypothesis import given
from hypothesis import strategies as st

from engine.backends.stops import StopFilter

LETTERS = "ab"


def shown(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    stop_filter = StopFilter(stops)
    return "".join(map(stop_filter.feed, pieces)) + stop_filter.flush(), stop_filter.stopped


def test_without_stop_texts_every_piece_goes_through_at_once() -> None:
    stop_filter = StopFilter([])

    assert [stop_filter.feed(piece) for piece in ("On", "ce ", "upon")] == ["On", "ce ", "upon"]


def test_the_text_ends_before_a_stop_text_that_comes_in_pieces() -> None:
    assert shown(["\n\nUSER:"], ["Hello.", "\n", "\nUS", "ER: more"]) == ("Hello.", True)


def test_what_may_become_a_stop_text_is_held_until_it_can_not() -> None:
    stop_filter = StopFilter(["END"])

    assert stop_filter.feed("the E") == "the "
    assert stop_filter.feed("N") == ""
    assert stop_filter.feed("gine") == "ENgine"


def test_what_is_held_at_the_end_belongs_to_the_text() -> None:
    assert shown(["END"], ["the EN"]) == ("the EN", False)


def test_of_several_stop_texts_the_one_that_is_complete_first_counts() -> None:
    assert shown(["abc", "b"], ["abc"]) == ("a", True)
    assert shown(["abc", "bc"], ["abc"]) == ("", True)


def test_nothing_is_shown_after_a_stop_text() -> None:
    stop_filter = StopFilter(["."])

    assert stop_filter.feed("One. Two") == "One"
    assert stop_filter.feed(" Three") == ""
    assert stop_filter.flush() == ""


@given(
    st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=4),
    st.lists(st.text(LETTERS, max_size=5), max_size=8),
)
def test_what_is_shown_does_not_depend_on_the_pieces(stops: list[str], pieces: list[str]) -> None:
    text = "".join(pieces)

    assert shown(stops, pieces) == shown(stops, [text]) == shown(stops, list(text))


@given(
    st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=4),
    st.lists(st.text(LETTERS, max_size=5), max_size=8),
)
def test_no_stop_text_is_ever_shown_and_none_is_missed(stops: list[str], pieces: list[str]) -> None:
    text, stopped = shown(stops, pieces)

    assert not any(stop in text for stop in stops)
    assert stopped == any(stop in "".join(pieces) for stop in stops)
    assert "".join(pieces).startswith(text)
