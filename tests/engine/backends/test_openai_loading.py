import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import ProbedBackend
from engine.errors import ModelError
from engine.values import ModelTask
from tests.engine.backends.upstreams import answer_of, asked, openai_spec, opened_openai
from tests.engine.specs import text
from tests.servers.openai_compatible import ModelServer

KEY = "tiger-lily-42"

# What the official client would send to any server if it found it.
AMBIENT = {
    "OPENAI_API_KEY": "sk-ambient",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_ORG_ID": "org-ambient",
    "OPENAI_PROJECT_ID": "proj-ambient",
    "OPENAI_CUSTOM_HEADERS": "X-Ambient: secret\nAuthorization: Bearer sk-custom",
}


async def loading_error(url: str, **config: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        async with opened_openai(openai_spec(url, **config)):
            pass
    return caught.value


async def test_loading_asks_for_the_models_and_for_nothing_that_costs(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url)):
        pass

    assert (server.checks, server.calls) == (1, [])


async def test_a_server_without_a_list_of_models_is_well(server: ModelServer) -> None:
    server.models = False

    told, _ = await asked(openai_spec(server.url), text("Hello"))

    assert told


async def test_the_key_comes_from_the_environment_and_goes_to_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORY_KEY", f" {KEY}\n")

    async with ModelServer(key=KEY).serving() as server:
        await asked(openai_spec(server.url, apiKeyEnv="STORY_KEY"), text("Hello"))

    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_missing_key_is_named_by_its_variable(server: ModelServer) -> None:
    error = await loading_error(server.url, apiKeyEnv="STORY_KEY")

    assert error.message == "The environment variable STORY_KEY, which holds the key, is not set."
    assert server.checks == 0


@pytest.mark.parametrize("key", ["tiger\nlily", "tigér", "tiger\x07lily"])
async def test_a_key_that_no_header_can_hold_is_not_shown(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("STORY_KEY", key)

    error = await loading_error(server.url, apiKeyEnv="STORY_KEY")

    assert "STORY_KEY" in error.message
    assert "tig" not in error.message


async def test_a_key_that_is_not_accepted_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY_KEY", "another-key")

    async with ModelServer(key=KEY).serving() as server:
        error = await loading_error(server.url, apiKeyEnv="STORY_KEY")

    assert error.message == "The model server does not accept the key (401)."
    assert not error.retryable


async def test_nothing_else_of_the_environment_goes_to_the_server(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)

    await asked(openai_spec(server.url), text("Hello"))

    headers = server.calls[0].headers
    assert headers["authorization"] == "Bearer none"
    assert not [
        value for value in headers.values() if "ambient" in value or "sk-" in value or "secret" in value
    ]
    assert not [name for name in headers if name.startswith(("openai-", "x-ambient", "x-stainless-os"))]


async def test_neither_key_nor_prompt_nor_answer_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STORY_KEY", KEY)
    caplog.set_level(logging.DEBUG)

    async with ModelServer(key=KEY).serving() as server:
        await asked(openai_spec(server.url, apiKeyEnv="STORY_KEY"), text("The secret prompt"))

    assert "secret prompt" not in caplog.text
    assert "Once" not in caplog.text
    assert KEY not in caplog.text


async def test_a_server_that_is_not_there_may_come_back() -> None:
    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(ModelServer().serving())).url

    error = await loading_error(url)

    assert (error.message, error.retryable) == ("The model server can not be reached.", True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"baseUrl": "ftp://host/v1"}, "baseUrl: must be http"),
        ({"baseUrl": "https://user:secret@host/v1"}, "baseUrl: must be http://host"),
        ({"baseUrl": "https://host/v1?key=secret"}, "baseUrl: must be http://host"),
        ({"baseUrl": None}, "baseUrl: "),
        ({"model": ""}, "model: "),
        ({"api": "responses"}, "api: "),
        ({"apiKeyEnv": "sk-1234567890"}, "apiKeyEnv: must be the name of an environment variable"),
        ({"apiKeyEnv": "FORETELL_SECRET"}, "apiKeyEnv: must not begin with FORETELL_"),
        ({"timeouts": {"total": 0}}, "timeouts.total: "),
        ({"maxConnections": 0}, "maxConnections: "),
    ],
)
async def test_a_wrong_config_is_named_by_its_place(
    server: ModelServer, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        async with opened_openai(openai_spec(**{"url": server.url, **renamed(config)})):
            pass

    assert caught.value.message.startswith(f"The config is wrong: {message}")
    assert "secret@" not in caught.value.message
    assert "sk-123" not in caught.value.message


def renamed(config: dict[str, Any]) -> dict[str, Any]:
    return {"url" if name == "baseUrl" else name: value for name, value in config.items()}


async def test_a_broken_tokenizer_is_named(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")

    error = await loading_error(server.url, tokenizer=str(tmp_path / "tokenizer.json"))

    assert "tokenizer" in error.message


@pytest.mark.parametrize("task", [ModelTask.TENSOR, ModelTask.TABULAR_REGRESSION])
async def test_other_tasks_are_refused(server: ModelServer, task: ModelTask) -> None:
    with pytest.raises(ModelError, match=task):
        async with opened_openai(openai_spec(server.url, task=task)):
            pass


async def test_a_failed_load_leaves_no_connection(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = KEY
    monkeypatch.setenv("STORY_KEY", "another-key")

    await loading_error(server.url, apiKeyEnv="STORY_KEY")

    await server.until(open=0)


async def test_a_closed_backend_leaves_no_connection_and_can_be_closed_again(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url)) as backend:
        await answer_of(backend, text("Hello"))
        await backend.close()

        await server.until(open=0)
        with pytest.raises(ModelError, match="is closed"):
            await answer_of(backend, text("Hello"))


async def test_a_probe_asks_for_the_list_of_models_and_for_no_answer(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url)) as backend:
        assert isinstance(backend, ProbedBackend)
        before = server.checks
        await backend.probe()
        server.key = "another"
        with pytest.raises(ModelError):
            await backend.probe()

    assert (server.checks - before, server.calls) == (1, [])


async def test_the_proxy_that_the_environment_names_is_used(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://us:open@").removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)

    await asked(openai_spec("http://models.invalid/v1"), text("Hello"))

    headers = server.calls[0].headers
    assert (headers["host"], headers["proxy-authorization"]) == ("models.invalid", "Basic dXM6b3Blbg==")


async def test_a_server_that_the_environment_excepts_is_asked_without_a_proxy(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    told, _ = await asked(openai_spec(server.url), text("Hello"))

    assert told
