"""What the routes of a router are, whatever its resource, and what they are called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RouteForm:
    """What an operation's route is, whatever the resource."""

    method: str
    description: str
    of_row: bool = False
    """Whether it is below the row's identity."""
    path: str = ""
    """What follows in its path."""
    status: int = 200
    body: str | None = None
    """The input that it takes."""
    writes: bool = False


FORMS: Mapping[str, RouteForm] = {
    "list": RouteForm("GET", "One page. Filters all have to hold; a parameter that is not named here is refused."),
    "get": RouteForm("GET", "By its key.", of_row=True),
    "create": RouteForm(
        "POST",
        "Answers it as it was stored, with its address in `Location`.",
        status=201,
        body="create",
        writes=True,
    ),
    "replace": RouteForm(
        "PUT", "Writes every field; what is left out gets its default.", of_row=True, body="replace", writes=True
    ),
    "update": RouteForm(
        "PATCH",
        "Writes the fields that are sent and leaves the others as they are (merge patch, RFC 7396).",
        of_row=True,
        body="update",
        writes=True,
    ),
    "delete": RouteForm("DELETE", "For good.", of_row=True, status=204, writes=True),
    "restore": RouteForm("POST", "Takes a deleted one back into use.", of_row=True, path="/restore", writes=True),
    "create_many": RouteForm(
        "POST", "All of them or none, answered in their order.", path="/bulk", status=201, body="create", writes=True
    ),
    "update_many": RouteForm(
        "PATCH",
        "Writes the fields that are sent of each; all of them or none, answered in their order.",
        body="update",
        writes=True,
    ),
    "delete_many": RouteForm("DELETE", "All of them or none.", status=204, writes=True),
}


def plural_of(prefix: str, singular: str) -> str:
    """What the path of a list calls its rows, which their class knows one by one only."""
    names = [segment for segment in prefix.split("/") if segment and not segment.startswith("{")]
    return re.sub(r"[-_]", " ", names[-1]) if names else f"{singular} rows"


def summary_of(operation: str, singular: str, plural: str) -> str:
    """An operation in a few words: "List cities", "Create city", "Delete many cities"."""
    verb, _, many = operation.partition("_")
    words = [verb.capitalize(), many, plural if many or operation == "list" else singular]
    return " ".join(filter(None, words))
