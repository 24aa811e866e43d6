"""A typed Python client: predicts, follows a text as it is written, is cut off again and again, and resumes.

The package `foretell_client` is made from the schema and from queries.graphql:

    pip install -r requirements.txt && ariadne-codegen
    FORETELL_API_KEY=fk_… python story.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from foretell_client import (
    CacheMode,
    ForetellClient,
    ModelRefInput,
    PredictInput,
    PredictionDataInput,
    TabularDataInput,
    TextDataInput,
    TextParametersInput,
    TextPromptInput,
)
from foretell_client.predict import PredictPredictPrediction, PredictPredictPredictionOutputTabularOutput
from foretell_client.tokens import (
    Tokens,
    TokensTokensStreamEnd,
    TokensTokensStreamSnapshot,
    TokensTokensTokenEvent,
)

EVENTS_PER_CONNECTION = 4

BLOOD = {"s1": 157, "s2": 93.2, "s3": 38, "s4": 4, "s5": 4.8598, "s6": 87}
PATIENT = {"age": 59, "sex": 2, "bmi": 32.1, "bp": 101, **BLOOD}
DIABETES = PredictInput(
    model=ModelRefInput(name="diabetes"),
    data=PredictionDataInput(tabular=TabularDataInput(records=[PATIENT])),
)
STORY = PredictInput(
    model=ModelRefInput(name="storyteller"),
    waitMs=0,  # it is followed by the subscription
    cache=CacheMode.BYPASS,
    data=PredictionDataInput(
        text=TextDataInput(
            prompt=TextPromptInput(text="It was"),
            parameters=TextParametersInput(maxTokens=120, temperature=0.8, seed=7),
        )
    ),
)


class RefusedError(Exception):
    """The server did not take a prediction; the message tells every reason."""


@dataclass
class Story:
    """The text so far. `last` is where to go on after a lost connection."""

    text: str = ""
    last: int = 0
    ended: bool = False


async def predict(client: ForetellClient, asked: PredictInput) -> PredictPredictPrediction:
    """Returns the prediction.

    Raises:
        RefusedError: there is none.
    """
    payload = (await client.predict(asked)).predict
    if payload.prediction is None:
        raise RefusedError("\n".join(f"{error.code}: {error.message}" for error in payload.errors))
    return payload.prediction


async def follow(client: ForetellClient, prediction_id: str, story: Story) -> None:
    """Takes events in until the story ends, or a few have come."""
    seen = 0
    tokens = cast(AsyncGenerator[Tokens, None], client.tokens(prediction_id, story.last))
    async with aclosing(tokens) as events:
        async for event in events:
            match event.tokens:
                case TokensTokensTokenEvent(text=text):
                    story.text += text
                case TokensTokensStreamSnapshot(text=text):
                    story.text = text  # all of it: the server kept no more
                case TokensTokensStreamEnd():
                    story.ended = True
            story.last = event.tokens.sequence
            seen += 1
            if story.ended or seen == EVENTS_PER_CONNECTION:
                return


async def main() -> None:
    """Asks both models."""
    url = os.environ.get("FORETELL_URL", "http://127.0.0.1:8000") + "/graphql"
    headers = {"Authorization": f"Bearer {os.environ['FORETELL_API_KEY']}"}
    websocket = url.replace("http", "ws", 1)
    async with ForetellClient(url, headers, ws_url=websocket, ws_connection_init_payload=headers) as client:
        output = (await predict(client, DIABETES)).output
        assert isinstance(output, PredictPredictPredictionOutputTabularOutput)
        print(f"diabetes: {output.results[0].value}")

        prediction_id, story, connections = (await predict(client, STORY)).id, Story(), 0
        while not story.ended:
            await follow(client, prediction_id, story)
            connections += 1
        print(story.text)
        print(f"({story.last} events over {connections} connections)")


if __name__ == "__main__":
    asyncio.run(main())
