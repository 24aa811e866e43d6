"""The servers that other tests break: they start again, and if not, they say why."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.faults.servers import OwnRedis, own_postgres


@pytest.mark.redis
async def test_a_server_that_can_not_start_fails_the_test_at_once_with_what_it_logged(tmp_path: Path) -> None:
    redis = OwnRedis(tmp_path)

    with socket.create_server(("127.0.0.1", redis.port)), pytest.raises(pytest.fail.Exception) as failed:
        await redis.start()

    assert "exit code: 1" in str(failed.value)
    assert "Address already in use" in str(failed.value)


@pytest.mark.postgres
async def test_a_database_starts_again_although_another_run_of_the_tests_has_begun(tmp_path: Path) -> None:
    async with own_postgres(tmp_path) as postgres:
        await postgres.kill()
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o700)  # as pytest does

        await postgres.start()

        await postgres.greet()
