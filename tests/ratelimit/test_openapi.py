"""Limits in the OpenAPI document."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from fastapi_kit.errors import install as install_errors
from fastapi_kit.ratelimit import RateLimit, install


def declares(document: dict[str, Any], path: str, method: str = "get") -> bool:
    """Whether the operation has a 429."""
    return "429" in document["paths"][path][method]["responses"]


def test_every_limited_operation_declares_the_429() -> None:
    """By policy and by dependency at any depth, in each inclusion; not where there is no limit or only a shadow."""
    limit = RateLimit("1/hour")

    async def inner(_: None = Depends(limit)) -> None: ...

    app = FastAPI()
    router = APIRouter()
    router.get("/deep", dependencies=[Depends(inner)])(lambda: None)
    router.get("/free")(lambda: None)
    router.get("/policy")(lambda: None)
    router.post("/policy")(lambda: None)
    router.get("/shadow", dependencies=[Depends(RateLimit("1/hour", shadow=True))])(lambda: None)
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2", dependencies=[Depends(limit)])
    install(app, {"POST /v1/policy": limit, "GET /v1/policy": RateLimit("1/hour", shadow=True)})
    install_errors(app)
    document = app.openapi()
    assert {path for path in document["paths"] if declares(document, path)} == {
        "/v1/deep", "/v2/deep", "/v2/free", "/v2/policy", "/v2/shadow",
    }  # fmt: skip
    assert declares(document, "/v1/policy", "post")
    assert app.openapi() is document


def test_the_429_is_a_problem_with_its_fields() -> None:
    """It has the schema that the other errors have, and says which fields are on it; one of the route's own stays."""
    app = FastAPI()
    app.get("/")(lambda: None)
    app.get("/own", responses={429: {"description": "own"}})(lambda: None)
    install(app, {"*": RateLimit("1/hour")})
    install_errors(app)
    paths = app.openapi()["paths"]
    response = paths["/"]["get"]["responses"]["429"]
    assert response["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/ProblemDetail"}
    assert set(response["headers"]) == {"Retry-After", "RateLimit-Policy", "RateLimit"}
    assert paths["/own"]["get"]["responses"]["429"]["description"] == "own"
