"""Checks one ONNX file, within limits: `python -m engine.backends.onnx_check FILE SHA256 MEMORY SECONDS`.

Prints one JSON object: empty if the file can be served, else with an `error`. A file that breaks ONNX
Runtime, or that takes more memory or time than it may, ends this process and no other.
"""

from __future__ import annotations

import json
import resource
import sys
from math import prod
from pathlib import Path
from typing import Any

OUTPUT_FILES_BYTES = 0
OPEN_FILES = 256
MAX_TRIAL_VALUES = 10_000_000
MAX_TOLD = 500


def main(path: str, sha256: str, memory: str, seconds: str) -> None:
    """Checks a file and prints what is wrong with it."""
    limits = {
        resource.RLIMIT_AS: int(memory),
        resource.RLIMIT_CPU: int(seconds),
        resource.RLIMIT_FSIZE: OUTPUT_FILES_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))
    print(json.dumps(_checked(Path(path), sha256)))  # noqa: T201  (this is the answer)


def _checked(path: Path, sha256: str) -> dict[str, Any]:
    # Nothing that reads the file, or is needed for it, is there before the limits are.
    from engine.backends.onnx import open_session, tensor_specs_of  # noqa: PLC0415
    from engine.backends.onnx_check.parts import check_parts  # noqa: PLC0415
    from engine.errors import ModelError  # noqa: PLC0415

    try:
        check_parts(path.read_bytes())
        session = open_session({"path": str(path), "sha256": sha256})
        inputs, _ = tensor_specs_of(session)
        session.run(None, {spec.name: _zeros(spec) for spec in inputs})
    except ModelError as error:
        return {"error": error.message}
    except MemoryError:
        return {"error": "The model takes more memory than it may."}
    except Exception as error:
        told = " ".join(str(error).split())[:MAX_TOLD]
        return {"error": f"ONNX Runtime can not run the model: {told}"}
    return {}


def _zeros(spec: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    from engine.backends.tensors import DTYPES  # noqa: PLC0415
    from engine.errors import ModelError  # noqa: PLC0415

    shape = [1 if size < 0 else size for size in spec.shape]
    if prod(shape) > MAX_TRIAL_VALUES:
        raise ModelError(f"The input {spec.name!r} takes more than {MAX_TRIAL_VALUES} values.")
    dtype = DTYPES[spec.datatype]
    return np.full(shape, "", dtype) if dtype.kind == "O" else np.zeros(shape, dtype)


if __name__ == "__main__":
    main(*sys.argv[1:])
