"""Notes of one's own on a page: `uvicorn examples.cookies.main:app`, then open http://127.0.0.1:8000.

The page logs in with cookies that its script cannot read, and sends the CSRF token with whatever changes something.
Everything is in memory and gone with the process; `examples/atlas` shows accounts in a database.
"""

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from pydantic import Field

from fastapi_kit.app import create_app
from fastapi_kit.auth import Auth, AuthOptions, Cookies, Key, MemoryTokenStore, MemoryUserStore, User
from fastapi_kit.schemas import Schema
from fastapi_kit.security import page_policy
from fastapi_kit.settings import Settings

PAGE = (Path(__file__).parent / "page.html").read_text()

auth = Auth(
    Key.generate("HS256"),
    users=MemoryUserStore(),
    tokens=MemoryTokenStore(),
    cookies=Cookies(),
    options=AuthOptions(name="Notes", refresh_grace=timedelta(seconds=10)),  # two tabs may renew at the same time
)
router = APIRouter()
notes: dict[str, list[str]] = defaultdict(list)

CurrentUser = Annotated[User, Depends(auth.current_user())]


class Note(Schema):
    """What somebody wants to remember."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


@router.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    """The page, which may run the script that is in it and no other."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": page_policy(PAGE)})


@router.get("/notes")
async def read(user: CurrentUser) -> list[str]:
    return notes[user.id]


@router.post("/notes", status_code=201)
async def add(note: Note, user: CurrentUser) -> Note:
    notes[user.id].append(note.text)
    return note


app = create_app(Settings(), title="Notes", auth=auth, routers=[router])
