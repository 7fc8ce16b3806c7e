"""Serve the trained model over HTTP: `GET /ping` for health, `POST /invocations` for predictions."""

import os
import sys
from typing import Annotated

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from digits.model import MODEL, folder, load
from digits.network import Network, predict
from digits.preprocessing import DARKEST, PIXELS, SIDE
from mlimage_runtime import load_preprocess

Pixel = Annotated[float, Field(ge=0, le=DARKEST, allow_inf_nan=False)]
Row = Annotated[list[Pixel], Field(min_length=SIDE, max_length=SIDE)]
Square = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE)]
Flat = Annotated[list[Pixel], Field(min_length=PIXELS, max_length=PIXELS)]


class Query(BaseModel):
    """Images to recognize, each as 8 rows of 8 pixels or as 64 pixels, from 0 (paper) to 16 (ink)."""

    model_config = ConfigDict(extra="forbid")

    instances: Annotated[list[Flat | Square], Field(min_length=1, max_length=1024)]


class Prediction(BaseModel):
    """The digit that an image most probably shows."""

    digit: int
    probability: float


class Answer(BaseModel):
    """One prediction for each image, in their order."""

    predictions: list[Prediction]


def application(network: Network | None) -> FastAPI:
    """The web application; without a trained network it answers 503 and says why."""
    preprocess = load_preprocess("digits.preprocessing:of_request")
    app = FastAPI(title="digits-pytorch", description=__doc__)

    def ready() -> Network:
        if network is None:
            raise HTTPException(503, f"there is no {MODEL} yet: run `train` first")
        return network

    def ping() -> dict[str, str]:
        ready()
        return {"status": "ready"}

    def invocations(query: Query) -> Answer:
        trained = ready()
        chances = predict(trained, preprocess({"instances": query.instances}))
        return Answer(
            predictions=[
                Prediction(digit=int(digit), probability=float(row[digit]))
                for row, digit in zip(chances, chances.argmax(axis=1), strict=True)
            ]
        )

    # The names that SageMaker calls, and the routes that mlimage hands on from others (Vertex AI).
    for path in sorted({"/ping", os.environ.get("MLIMAGE_HEALTH_ROUTE", "/ping")}):
        app.get(path)(ping)
    for path in sorted({"/invocations", os.environ.get("MLIMAGE_PREDICT_ROUTE", "/invocations")}):
        app.post(path)(invocations)
    return app


def main() -> None:
    """Load the model and serve it until a signal ends it."""
    path = folder() / MODEL
    try:
        network = load(path)
    except FileNotFoundError:
        sys.exit(f"there is no model in {path.parent}: run `train` first")
    host, port = os.environ.get("MLIMAGE_HOST", "127.0.0.1"), int(os.environ.get("MLIMAGE_PORT", "8080"))
    uvicorn.run(application(network), host=host, port=port)


if __name__ == "__main__":
    main()
