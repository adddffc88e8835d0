"""The law of errors: whatever is sent, what is not a success is a problem, and nothing of the input comes back."""

import json
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, FastAPI, Header, Query
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from fastapi_kit.errors import install

SENTINEL = "Zq9sentinel7Xw"


class Card(BaseModel):
    """One of two payments."""

    kind: Literal["card"]
    number: Annotated[str, Field(pattern=r"^\d{16}$")]


class Voucher(BaseModel):
    """The other of two payments."""

    kind: Literal["voucher"]
    code: UUID


class Order(BaseModel):
    """A body with fields of many types."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=5)]
    count: int = 1
    due: date | None = None
    payment: Annotated[Card | Voucher, Field(discriminator="kind")] | None = None
    notes: dict[str, list[int]] = {}
    weight: float = 1.0
    careless: str = ""

    @field_validator("careless")
    @classmethod
    def _careless(cls, value: str) -> str:
        if value:
            raise ValueError(f"cannot use {value}")
        return value


app = FastAPI()


@app.post("/orders")
async def order(
    order: Order,
    page: Annotated[int, Query(ge=1)] = 1,
    x_trace: Annotated[UUID | None, Header()] = None,
) -> None:
    """Take an order."""


@app.post("/anything")
async def anything(value: Annotated[list[Any], Body()]) -> int:
    """Take a list of anything."""
    return len(value)


install(app)
client = TestClient(app, raise_server_exceptions=False)

JSON = "application/json"

texts = st.sampled_from([SENTINEL, SENTINEL.upper(), f" {SENTINEL} ", SENTINEL * 30, "7", "", "card", "2026-02-30"])
scalars = (
    texts | st.integers() | st.floats() | st.booleans() | st.none() | st.text(st.characters(codec=None), max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "kind", "number", "code"]), inner)
    ),
    max_leaves=12,
)
payments = st.fixed_dictionaries({"kind": texts}, optional={"number": texts, "code": texts})
aimed = {"careless": texts, "payment": payments}
others = {name: values for name in Order.model_fields if name not in aimed}
orders = st.fixed_dictionaries(aimed, optional=others)
documents = orders | orders | orders | values
contents = st.one_of(
    documents.map(lambda value: json.dumps(value).encode()),
    documents.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.binary(max_size=40).map(lambda tail: SENTINEL.encode() + tail),
    texts.map(lambda text: b'{"name": "' + text.encode()),
)
content_types = st.sampled_from([JSON, JSON, JSON, JSON + "; charset=latin-1", "text/plain", SENTINEL, ""])
header_values = texts | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
methods = st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "BREW"])
urls = st.sampled_from(["/orders", "/orders", "/orders", "/anything", "/orders/", "/nowhere"])


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.fixed_dictionaries(
        {
            "method": methods,
            "url": urls,
            "params": st.fixed_dictionaries({"page": header_values}),
            "content": contents,
            "headers": st.fixed_dictionaries(
                {"content-type": content_types, "x-trace": header_values, "user-agent": st.just(SENTINEL)}
            ),
        }
    )
)
def test_every_failure_is_a_problem_without_input(request: dict[str, Any]) -> None:
    """Law: 4xx never 5xx, problem+json that parses, its status the status, and no value of the request in it."""
    response = client.request(**request, follow_redirects=False)
    if response.status_code < 400:
        return
    assert response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
    if request["method"] == "HEAD":
        assert response.content == b""
        return
    body = json.loads(response.content.decode("utf-8", "strict"))
    assert body["status"] == response.status_code
    assert SENTINEL.casefold() not in response.text.casefold()
    assert len(response.content) < 50_000
