from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.base import VersionSpec
from engine.errors import ErrorCode, InvalidInputError, ManyErrors
from engine.inputs import InputChecker
from engine.room import Room
from engine.text import (
    MAX_TEXT_BYTES,
    MAX_TEXTS,
    PARAMETERS,
    TextRequest,
    check_text,
    check_texts,
    storable,
)
from engine.values import ChatRole, ModelTask, PredictionData

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def spec(task: ModelTask = ModelTask.TEXT_GENERATION, **config: Any) -> VersionSpec:
    return VersionSpec(id="v", name="teller/1", task=task, config=config)


def paths(value: dict[str, Any], **config: Any) -> list[tuple[str, ...] | None]:
    return [problem.path for problem in check_text(value, spec(**config))]


def test_a_prompt_with_every_parameter_in_its_limits_is_taken() -> None:
    parameters = {
        "maxTokens": 4096,
        "temperature": 2,
        "topP": 1,
        "stop": ["a", "b" * 100, "\n", "😀"],
        "seed": -(2**63),
    }

    assert check_text({"prompt": "Once", "parameters": parameters}, spec()) == []


def test_parameters_that_are_null_count_as_left_out() -> None:
    value = {"prompt": "Once", "parameters": dict.fromkeys(PARAMETERS)}

    request = TextRequest.of(value, spec())

    assert check_text(value, spec()) == []
    assert (request.max_tokens, request.temperature, request.stop, request.seed) == (1024, None, (), None)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("maxTokens", [0, -1, 4097, 1.5, True, "9", [], 2**70]),
        ("temperature", [-0.1, 2.01, float("nan"), float("inf"), False, "hot", {}]),
        ("topP", [0, -1, 1.0001, float("nan"), True, "x"]),
        ("seed", [1.0, 2**63, -(2**63) - 1, True, "7"]),
        ("stop", ["not a list", 1, {}]),
    ],
)
def test_a_parameter_outside_its_limits_is_named_by_its_path(name: str, wrong: list[Any]) -> None:
    for value in wrong:
        assert paths({"prompt": "Once", "parameters": {name: value}}) == [("parameters", name)]


def test_every_wrong_stop_text_is_named_by_its_index() -> None:
    stops = ["fine", "", "x" * 101, "nul\0"]

    assert paths({"prompt": "Once", "parameters": {"stop": stops}}) == [
        ("parameters", "stop", "1"),
        ("parameters", "stop", "2"),
        ("parameters", "stop", "3"),
    ]


def test_more_than_four_stop_texts_are_refused() -> None:
    assert paths({"prompt": "Once", "parameters": {"stop": list("abcde")}}) == [("parameters", "stop")]


def test_a_parameter_nobody_knows_is_refused() -> None:
    assert paths({"prompt": "Once", "parameters": {"top_k": 5}}) == [("parameters", "top_k")]


def test_a_version_may_allow_fewer_or_more_tokens() -> None:
    asked = {"prompt": "Once", "parameters": {"maxTokens": 100}}

    assert paths(asked, maxTokens=99) == [("parameters", "maxTokens")]
    assert paths(asked, maxTokens=100) == []
    assert TextRequest.of({"prompt": "Once"}, spec(maxTokens=99)).max_tokens == 99


@pytest.mark.parametrize("prompt", [None, "", 5, ["a"], "nul\0", "half \ud83d pair"])
def test_a_prompt_that_is_not_a_text_is_refused(prompt: Any) -> None:
    assert paths({"prompt": prompt}) == [("prompt", "text")]


def test_a_prompt_is_measured_in_bytes() -> None:
    fits, too_large = "é" * (MAX_TEXT_BYTES // 2), "é" * (MAX_TEXT_BYTES // 2) + "!"

    assert paths({"prompt": fits}) == []
    (problem,) = check_text({"prompt": too_large}, spec())
    assert problem.code == ErrorCode.PAYLOAD_TOO_LARGE
    assert problem.received == MAX_TEXT_BYTES + 1


def test_every_wrong_message_is_named_by_its_index() -> None:
    messages = [
        {"role": "USER", "content": "Hello"},
        {"role": "ROBOT", "content": "Hello"},
        {"role": "ASSISTANT", "content": ""},
        {"role": ["USER"], "content": "Hello"},
        "Hello",
    ]

    assert paths({"messages": messages}) == [
        ("prompt", "messages", "1", "role"),
        ("prompt", "messages", "2", "content"),
        ("prompt", "messages", "3", "role"),
        ("prompt", "messages", "4"),
    ]


@pytest.mark.parametrize("messages", [[], {}, "Hello", [{"role": "USER", "content": "a"}] * 1025])
def test_a_conversation_has_1_to_1024_messages(messages: Any) -> None:
    assert paths({"messages": messages}) == [("prompt", "messages")]


def test_messages_are_measured_together() -> None:
    half = {"role": "USER", "content": "x" * (MAX_TEXT_BYTES // 2)}

    assert paths({"messages": [half, half]}) == []
    assert paths({"messages": [half, half, {"role": "USER", "content": "!"}]}) == [("prompt", "messages")]


def test_a_conversation_is_one_text_for_models_that_know_none() -> None:
    messages = [{"role": "SYSTEM", "content": "Be kind."}, {"role": "USER", "content": "Hello"}]

    request = TextRequest.of({"messages": messages}, spec())

    assert request.flat == "Be kind.\n\nHello"
    assert request.messages == ((ChatRole.SYSTEM, "Be kind."), (ChatRole.USER, "Hello"))


def test_texts_to_embed_are_named_by_their_index() -> None:
    problems = check_texts(["fine", "", 7, "nul\0"])

    assert [problem.path for problem in problems] == [("1",), ("2",), ("3",)]


@pytest.mark.parametrize("texts", [None, [], "text", ["a"] * (MAX_TEXTS + 1)])
def test_there_are_1_to_2048_texts_to_embed(texts: Any) -> None:
    (problem,) = check_texts(texts)

    assert problem.path == ()


@given(JSON, JSON, JSON)
def test_any_json_is_either_refused_or_read(prompt: Any, messages: Any, parameters: Any) -> None:
    value = {"prompt": prompt, "messages": messages, "parameters": parameters}

    if not check_text(value, spec()):
        request = TextRequest.of(value, spec())
        assert request.flat
        assert 1 <= request.max_tokens <= 4096


def test_the_checker_of_a_text_model_leads_from_the_arguments() -> None:
    checker = InputChecker(spec())

    with pytest.raises(InvalidInputError) as caught:
        checker.check(PredictionData("text", {"prompt": "Once", "parameters": {"temperature": 3}}))

    assert caught.value.path == ("input", "data", "text", "parameters", "temperature")
    assert caught.value.received == 3


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"prompt": "a b c"}, ("input", "data", "text", "prompt", "text")),
        (
            {"messages": [{"role": "USER", "content": "a"}, {"role": "USER", "content": "b c"}]},
            ("input", "data", "text", "prompt", "messages"),
        ),
    ],
)
def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused(
    value: dict[str, Any], path: tuple[str, ...]
) -> None:
    def words(prompt: str) -> int:
        return len(prompt.split())

    InputChecker(spec(), Room(4, words)).check(PredictionData("text", value))
    with pytest.raises(InvalidInputError, match="3 tokens; the model can hold 3") as caught:
        InputChecker(spec(), Room(3, words)).check(PredictionData("text", value))

    assert (caught.value.path, caught.value.constraint, caught.value.received) == (path, "maxTokens: 2", 3)


def test_the_checker_of_an_embedding_model_names_at_most_100_problems() -> None:
    checker = InputChecker(spec(ModelTask.EMBEDDING))

    with pytest.raises(ManyErrors) as caught:
        checker.check(PredictionData("embedding", {"texts": [""] * 101}))

    assert len(caught.value.errors) == 100
    assert caught.value.errors[99].path == ("input", "data", "embedding", "texts", "99")


def test_a_text_too_large_keeps_its_code_through_the_checker() -> None:
    checker = InputChecker(spec())

    with pytest.raises(InvalidInputError) as caught:
        checker.check(PredictionData("text", {"prompt": "x" * (MAX_TEXT_BYTES + 1)}))

    assert caught.value.code == ErrorCode.PAYLOAD_TOO_LARGE


@given(st.text(st.characters() | st.sampled_from(["\0", "\ud83d", "\ude00"])))
def test_what_was_generated_can_be_stored_and_is_changed_only_where_it_can_not(text: str) -> None:
    stored = storable(text)

    assert "\0" not in stored
    assert stored.encode().decode() == stored
    if stored != text:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
