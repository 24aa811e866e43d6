"""A text model that the told backend serves, at a price."""

from __future__ import annotations

from typing import Any

from engine.backends.base import Result
from engine.definitions import BackendDefinition, ModelDefinition, PriceDefinition, VersionDefinition
from engine.registry import Registry
from engine.values import CacheMode, ModelRef, ModelTask, PredictRequest, Usage, UsageSource
from tests.engine.specs import text
from tests.engine.workshop import KIND, Workshop

PROMPT = "Once"  # 4 bytes: about one token


async def teller(workshop: Workshop, *, price: PriceDefinition | None = None) -> None:
    """Registers the model `teller`, which says nothing, and says that it used 3 + 7 tokens."""
    backend = BackendDefinition.model_validate({"kind": KIND, "url": "http://told", "model": "told"})
    version = VersionDefinition(version="1", backend=backend, max_tokens=1000, price=price)
    definition = ModelDefinition(
        name="teller", display_name="teller", task=ModelTask.TEXT_GENERATION, versions=[version]
    )
    await Registry(workshop.database).apply([definition])
    workshop.backend.result = said(3, 7)
    workshop.here = await workshop.process()


def said(read: int, written: int) -> Result:
    """Returns the end of a text that used so many tokens."""
    usage = Usage(UsageSource.PROVIDER, input_tokens=read, output_tokens=written)
    return Result({"finishReason": "STOP"}, usage, 1.0)


def tell(tokens: int, *, wait_ms: int = 10_000, **more: Any) -> PredictRequest:
    """Returns a request for a text of so many tokens at most, past the cache."""
    more.setdefault("cache", CacheMode.BYPASS)
    return PredictRequest(ModelRef(name="teller"), text(PROMPT, maxTokens=tokens), wait_ms=wait_ms, **more)
