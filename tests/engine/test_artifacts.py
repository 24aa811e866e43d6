"""What becomes of model files that projects upload: harmless ones are served, all others only fail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.artifacts import Artifacts, CheckLimits
from engine.errors import ModelError
from engine.storage.base import write_whole
from engine.storage.directory import DirectoryStorage
from engine.turns import Turns
from tests.engine import onnx_files

LIMITS = CheckLimits(memory=4 * 1024**3, seconds=30)
Make = Callable[[Path], Path]


def reading(location: str) -> Make:
    """Returns what makes a model whose weights are in another file."""

    def make(path: Path) -> Path:
        onnx_files.linear(path, [1.0, 2.0])
        model = onnx.load_model(path)
        weights = model.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
        path.write_bytes(model.SerializeToString())
        return path

    return make


def with_own_operator(path: Path) -> Path:
    node = helper.make_node("Steal", ["x"], ["y"], domain="evil.example")
    return unchecked(path, [node], "x", "y", opsets=[helper.make_opsetid("evil.example", 1)])


def hidden_in_a_branch(path: Path) -> Path:
    """Makes a model whose branch, deep in an attribute, reads another file."""
    weights = numpy_helper.from_array(np.ones(1, np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["b"])], "b", [], [onnx_files.tensor("b", 1)], [weights]
    )
    condition = helper.make_node(
        "Constant", [], ["yes"], value=helper.make_tensor("c", TensorProto.BOOL, [], [1])
    )
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    return unchecked(path, [condition, node], "x", "y")


def swelling(path: Path) -> Path:
    """Makes a model that asks for 64 GiB as soon as it is loaded."""
    shape = numpy_helper.from_array(np.asarray([16 * 1024**3], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
        helper.make_node("Add", ["x", "total"], ["y"]),
    ]
    return unchecked(path, nodes, "x", "y", constants=[shape])


def endless(path: Path) -> Path:
    """Makes a model that counts to 2**62."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            onnx_files.tensor("v", 1),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), onnx_files.tensor("w", 1)],
    )
    trips = numpy_helper.from_array(np.asarray(2**62, np.int64), "trips")
    yes = numpy_helper.from_array(np.asarray(True), "yes")
    node = helper.make_node("Loop", ["trips", "yes", "x"], ["y"], body=body)
    return unchecked(path, [node], "x", "y", constants=[trips, yes])


def unchecked(
    path: Path, nodes: Any, given: str, answered: str, *, constants: Any = (), opsets: Any = ()
) -> Path:
    ends = [onnx_files.tensor(given, 1)], [onnx_files.tensor(answered, 1)]
    graph = helper.make_graph(nodes, "hostile", *ends, list(constants))
    every = [helper.make_opsetid("", 17), *opsets]
    model = helper.make_model(graph, opset_imports=every, ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def garbage(path: Path) -> Path:
    path.write_bytes(b"GIF89a" + bytes(1000))
    return path


def cut(path: Path) -> Path:
    onnx_files.linear(path, [1.0, 2.0])
    path.write_bytes(path.read_bytes()[:-20])
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def stored(folder: Path, make: Make) -> tuple[DirectoryStorage, dict[str, Any]]:
    content = make(folder / "made.onnx").read_bytes()
    storage = DirectoryStorage(folder / "storage")
    write_whole(storage, "uploads/1", content)
    sha256 = hashlib.sha256(content).hexdigest()
    return storage, {"key": "uploads/1", "sha256": sha256, "byteSize": len(content)}


async def failure(folder: Path, make: Make, limits: CheckLimits = LIMITS) -> str:
    storage, config = stored(folder, make)
    with pytest.raises(ModelError) as caught:
        await Artifacts(storage, folder / "models", limits).fetch(config, None, check=True)
    assert not caught.value.retryable
    return caught.value.message


async def test_a_harmless_file_is_fetched_once_and_kept(tmp_path: Path) -> None:
    storage, config = stored(tmp_path, lambda path: onnx_files.linear(path, [1.0, 2.0]))
    artifacts = Artifacts(storage, tmp_path / "models", LIMITS)

    path = await artifacts.fetch(config, None, check=True)
    storage.delete(config["key"])
    again = await artifacts.fetch(config, None, check=False)

    assert path == again == tmp_path / "models" / f"{config['sha256']}.onnx"
    assert path.read_bytes() == (tmp_path / "made.onnx").read_bytes()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (garbage, "not an ONNX model"),
        (empty, "not an ONNX model"),
        (cut, "not an ONNX model"),
        (reading("/etc/passwd"), "other files"),
        (reading("../../foretell.db"), "other files"),
        (reading("weights.bin"), "other files"),
        (hidden_in_a_branch, "other files"),
        (with_own_operator, "evil.example"),
        (swelling, "allocate memory"),
    ],
)
async def test_a_file_that_is_broken_or_hostile_fails_with_its_reason_and_hurts_nobody(
    tmp_path: Path, make: Make, reason: str
) -> None:
    assert reason in await failure(tmp_path, make)


@pytest.mark.slow
async def test_a_file_that_never_ends_is_ended(tmp_path: Path) -> None:
    told = await failure(tmp_path, endless, CheckLimits(LIMITS.memory, seconds=3))

    assert "takes more" in told


async def test_a_file_that_was_exchanged_in_the_storage_is_not_taken(tmp_path: Path) -> None:
    storage, config = stored(tmp_path, lambda path: onnx_files.linear(path, [1.0]))
    write_whole(storage, config["key"], b"another")
    artifacts = Artifacts(storage, tmp_path / "models", LIMITS)

    with pytest.raises(ModelError, match="its sha256 differs"):
        await artifacts.fetch(config, None, check=False)
    storage.delete(config["key"])
    with pytest.raises(ModelError, match="gone from the storage"):
        await artifacts.fetch(config, None, check=False)
    assert list((tmp_path / "models").iterdir()) == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class CountedTurns(Turns):
    """Turns that tell how many came."""

    came = 0

    def turn(self, party: Hashable) -> Any:
        CountedTurns.came += 1
        return super().turn(party)


async def test_a_file_of_a_project_does_not_wait_for_all_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def check(self: Artifacts, path: Path, sha256: str) -> None:
        checked.append(sha256)
        begun.set()
        await gate.wait()

    monkeypatch.setattr(Artifacts, "_check", check)
    monkeypatch.setattr("engine.artifacts.Turns", CountedTurns)
    monkeypatch.setattr(CountedTurns, "came", 0)
    artifacts = Artifacts(DirectoryStorage(tmp_path), tmp_path, LIMITS)
    for name in ("junk0", "junk1", "junk2", "junk3", "good"):
        (tmp_path / f"{name}.onnx").touch()

    first = asyncio.create_task(artifacts.fetch({"sha256": "junk0"}, "theirs", check=True))
    await begun.wait()
    theirs = [
        asyncio.create_task(artifacts.fetch({"sha256": f"junk{n}"}, "theirs", check=True)) for n in (1, 2, 3)
    ]
    ours = asyncio.create_task(artifacts.fetch({"sha256": "good"}, "ours", check=True))
    await until(lambda: CountedTurns.came == 5)
    gate.set()
    await asyncio.gather(first, ours, *theirs)

    assert checked[:2] == ["junk0", "good"]
    assert sorted(checked[2:]) == ["junk1", "junk2", "junk3"]
