"""The floors: what answers the same by URL, written by hand, with one statement and orjson.

`app` is FastAPI with its endpoints; `bare` an ASGI application with nothing around it.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson
import store
from fastapi import FastAPI, Request, Response

connection = store.connect()
regression = store.Regression(connection)
app = FastAPI(openapi_url=None)

JSON = "application/json"


def prediction_id(given: str) -> str:
    return b64decode(given + "=" * (-len(given) % 4)).decode().partition(":")[2]


def shown(field: str, value: Any) -> bytes:
    return orjson.dumps({"data": {field: value}})


@app.get("/predictions")
async def predictions(first: int) -> Response:
    return Response(shown("predictions", store.page(connection, first)), media_type=JSON)


@app.get("/predictions/{id}")
async def prediction(id: str) -> Response:
    return Response(shown("prediction", store.one(connection, prediction_id(id))), media_type=JSON)


@app.get("/models")
async def models(first: int) -> Response:
    return Response(shown("models", store.models(connection, first)), media_type=JSON)


@app.post("/predict")
async def predict(request: Request) -> Response:
    return Response(predicted(await request.body()), media_type=JSON)


def predicted(body: bytes) -> bytes:
    records = orjson.loads(body)["data"]["tabular"]["records"]
    return shown("predict", {"prediction": regression.predict(connection, records), "errors": []})


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/predict":
        body = predicted(await _body(receive))
    elif path == "/models":
        body = shown("models", store.models(connection, _first(scope)))
    elif path == "/predictions":
        body = shown("predictions", store.page(connection, _first(scope)))
    else:
        body = shown("prediction", store.one(connection, prediction_id(path.rpartition("/")[2])))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _first(scope: Any) -> int:
    return int(scope["query_string"].partition(b"=")[2])


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
