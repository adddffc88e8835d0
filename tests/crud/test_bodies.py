"""From the bytes of a body to column values."""

from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud._attributes import read_model
from fastapi_kit.crud._bodies import given_input


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Form(Models):
    """A row with text and with a document."""

    __tablename__ = "form"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    answers: Mapped[Any] = mapped_column(sa.JSON)


class Answer(BaseModel):
    """A part of a document."""

    yes: bool


class Aliased(BaseModel):
    """A body whose fields have other names in JSON, both ways."""

    model_config = ConfigDict(serialize_by_alias=True)
    title: str = Field(default="untitled", alias="Title")
    answers: list[Answer] = Field(alias="Answers")


@pytest.mark.parametrize(
    ("sent_only", "expected"),
    [
        pytest.param(False, {"title": "untitled", "answers": [{"yes": True}]}, id="with-defaults"),
        pytest.param(True, {"answers": [{"yes": True}]}, id="sent-only"),
    ],
)
def test_values_go_by_the_names_of_attributes(sent_only: bool, expected: dict[str, Any]) -> None:
    """Whatever names the JSON has, columns get their values by their own, and documents are JSON."""
    body = given_input(Aliased, read_model(Form).attributes, sent_only=sent_only, resource="Form")
    assert body.values(b'{"Answers": [{"yes": true}]}') == expected
