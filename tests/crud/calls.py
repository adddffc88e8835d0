"""What tenants and their apps are made of, at random: worlds of a few rows, and requests of every kind."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.crud.tenants import Author, Book, Chapter, Principal, Scheme, Tag, Tenants, World


@dataclass(frozen=True)
class Call:
    """A request, but for who makes it."""

    method: str
    path: str
    params: Collection[tuple[str, str]] = ()
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def model(self) -> type[Tenants]:
        """Whose rows it is about."""
        return Chapter if self.path.startswith("/chapters") else Book

    @property
    def parent(self) -> int | None:
        """The author in its path."""
        return int(self.path.split("/")[2]) if self.path.startswith("/authors") else None


# Keys from 1 to 4 may be there, 9 never is; those of new rows are above.
KEYS, NEW = st.sampled_from([1, 2, 3, 4, 9]), st.integers(10, 99)
TITLES, TENANTS, PAGES = st.sampled_from(["a", "b", "ab"]), st.integers(1, 2), st.sampled_from([None, 1, 5, 9])
FILTERS: Mapping[str, Collection[str]] = {
    "/books": [
        *("title=a", "title__ne=a", "title__contains=b", "pages__gte=5", "pages__isnull=true", "pages__not_in=5"),
        *("tenant=1", "tenant__ne=1", "author.name=a", "author.name__ne=a", "author.tenant=1", "author.tenant__in=1,2"),
        *("sequel_of.title=a", "sequel_of.author.name=b", "chapters.title=a", "chapters.tenant=2", "tags.word=a"),
        *("search=a", "search=b a", "deleted=include", "deleted=only"),
    ],
    "/chapters": ["title=a", "book.title=a", "book.title__ne=b", "book.author.name=a"],
    "nested": ["title=a", "chapters.title=a"],
}
VIEWS: Mapping[str, Collection[str]] = {
    "/books": ["include=author", "include=author,chapters,sequel_of,tags", "fields=title", "fields=id,pages"],
    "/chapters": ["include=book", "fields=title"],
    "nested": [],
}
SORTS = ("sort=-title", "sort=title", "sort=-id")
PAGING = ("limit=1", "limit=2", "limit=3", "page=2", "count=none", "count=capped", "count=exact")

PRINCIPALS = st.builds(Principal, st.lists(TENANTS, min_size=1, max_size=2, unique=True).map(tuple), st.booleans())


def some_of(choices: Collection[str], most: int) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some parameters, each once."""
    pairs = [(name, value) for name, _, value in (it.partition("=") for it in choices)]
    return st.lists(st.sampled_from(pairs or [("", "")]), max_size=most if pairs else 0, unique_by=lambda it: it[0])


@dataclass(frozen=True)
class Calls:
    """The requests of one router.

    Attributes:
        prefix: Its path.
        stamped: Whether the server writes the tenant of a book.
    """

    prefix: str
    stamped: bool

    @property
    def kind(self) -> str:
        """The prefix, without the author in it."""
        return "nested" if self.prefix.startswith("/authors") else self.prefix

    def any(self) -> st.SearchStrategy[Call]:
        """One of any kind."""
        kinds: list[Callable[[], st.SearchStrategy[Call]]] = [*[self.listed] * 5, self.got, self.got]
        kinds += [self.created, self.replaced, self.updated, self.updated]
        if self.kind != "nested":
            kinds += [self.deleted, self.created_in_bulk, self.updated_in_bulk, self.deleted_in_bulk]
        if self.kind == "/books":
            kinds += [self.restored, self.linked, self.exported]
        return st.sampled_from(kinds).flatmap(lambda make: make())

    def listed(self) -> st.SearchStrategy[Call]:
        """A page."""
        parts = st.tuples(
            some_of(FILTERS[self.kind], 2), some_of(VIEWS[self.kind], 2), some_of(SORTS, 1), some_of(PAGING, 3)
        )
        return parts.map(lambda it: Call("GET", self.prefix, [*it[0], *it[1], *it[2], *it[3]]))

    def exported(self) -> st.SearchStrategy[Call]:
        """All rows."""
        paths = st.sampled_from([f"{self.prefix}.csv", f"{self.prefix}.ndjson"])
        return st.builds(Call, st.just("GET"), paths, some_of([*FILTERS[self.kind], "fields=title", *SORTS], 3))

    def got(self) -> st.SearchStrategy[Call]:
        """One row."""
        views = [*VIEWS[self.kind], "deleted=include"] if self.kind == "/books" else VIEWS[self.kind]
        known = st.sampled_from([{}, {"If-None-Match": '"1"'}])
        methods = st.sampled_from(["GET", "GET", "HEAD"])
        return st.builds(Call, methods, self._item(), some_of(views, 2), headers=known)

    def created(self) -> st.SearchStrategy[Call]:
        """A new row."""
        return st.builds(Call, st.just("POST"), st.just(self.prefix), json=self._named(NEW, whole=True))

    def replaced(self) -> st.SearchStrategy[Call]:
        """A row anew."""
        return st.builds(Call, st.just("PUT"), self._item(), json=self._body(whole=True), headers=self._guards())

    def updated(self) -> st.SearchStrategy[Call]:
        """Some columns of a row."""
        return st.builds(Call, st.just("PATCH"), self._item(), json=self._body(whole=False), headers=self._guards())

    def deleted(self) -> st.SearchStrategy[Call]:
        """No row any more."""
        return st.builds(Call, st.just("DELETE"), self._item(), headers=self._guards())

    def restored(self) -> st.SearchStrategy[Call]:
        """A deleted row back again."""
        return st.builds(Call, st.just("POST"), self._item().map("{}/restore".format), headers=self._guards())

    def linked(self) -> st.SearchStrategy[Call]:
        """A tag at a book, or not any more."""
        tags = st.sampled_from([1, 2, 9])
        paths = st.builds("{}/tags/{}".format, self._item(), tags)
        return st.builds(Call, st.sampled_from(["PUT", "DELETE"]), paths)

    def created_in_bulk(self) -> st.SearchStrategy[Call]:
        """Some new rows."""
        bodies = self._many(self._named(NEW, whole=True))
        return st.builds(Call, st.just("POST"), st.just(f"{self.prefix}/bulk"), json=bodies)

    def updated_in_bulk(self) -> st.SearchStrategy[Call]:
        """Some columns of some rows."""
        bodies = self._many(self._named(KEYS, whole=False))
        return st.builds(Call, st.just("PATCH"), st.just(self.prefix), json=bodies)

    def deleted_in_bulk(self) -> st.SearchStrategy[Call]:
        """Some rows no more."""
        keys = st.lists(KEYS, min_size=1, max_size=2, unique=True)
        return keys.map(lambda it: Call("DELETE", self.prefix, [("id", str(key)) for key in it]))

    def _item(self) -> st.SearchStrategy[str]:
        return KEYS.map(lambda key: f"{self.prefix}/{key}")

    def _guards(self) -> st.SearchStrategy[dict[str, str]]:
        return st.sampled_from([{}, {"If-Match": '"1"'}, {"If-Match": '"2"'}] if self.kind == "/books" else [{}])

    def _named(self, keys: st.SearchStrategy[int], *, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
        return st.tuples(keys, self._body(whole=whole)).map(lambda it: {"id": it[0], **it[1]})

    def _many(self, bodies: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
        return st.lists(bodies, min_size=1, max_size=3, unique_by=lambda it: it["id"])

    def _body(self, *, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
        fields = _CHAPTER if self.kind == "/chapters" else _BOOK
        by_server = {"tenant"} if self.stamped and fields is _BOOK else set[str]()
        by_server |= {"author_id", "sequel_of_id"} if self.kind == "nested" else set()
        sent = {name: values for name, values in fields.items() if name not in by_server}
        return st.fixed_dictionaries(sent) if whole else st.fixed_dictionaries({}, optional=sent)


_CHAPTER: Mapping[str, st.SearchStrategy[Any]] = {"title": TITLES, "tenant": TENANTS, "book_id": KEYS}
_BOOK: Mapping[str, st.SearchStrategy[Any]] = {
    "title": TITLES,
    "tenant": st.none() | TENANTS,
    "pages": PAGES,
    "public": st.booleans(),
    "author_id": st.none() | KEYS,
    "sequel_of_id": st.none() | KEYS,
}


def sessions(scheme: Scheme) -> st.SearchStrategy[tuple[Scheme, list[Call]]]:
    """A scheme, and some requests in a row."""
    nested = KEYS.map(lambda author: f"/authors/{author}/books")
    prefixes = st.sampled_from(["/books", "/books", "/chapters"]) | nested
    calls = prefixes.flatmap(lambda prefix: Calls(prefix, scheme.stamped).any())
    return st.tuples(st.just(scheme), st.lists(calls, min_size=1, max_size=6))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few rows of each kind, all of whose references lead somewhere."""
    authors = {key: {"id": key, "name": draw(TITLES), "tenant": draw(TENANTS)} for key in (1, 2, 3)}
    books = {
        key: {
            "id": key,
            "title": draw(TITLES),
            "pages": draw(PAGES),
            "tenant": draw(st.none() | TENANTS),
            "public": draw(st.booleans()),
            "author_id": draw(st.none() | st.sampled_from(sorted(authors))),
            "sequel_of_id": draw(st.none() | st.integers(1, key)),
            "version": draw(st.integers(1, 2)),
            "deleted_at": draw(st.sampled_from([False, False, True])),
        }
        for key in range(1, draw(st.integers(1, 4)) + 1)
    }
    owned = st.sampled_from(sorted(books))
    chapters = {
        key: {"id": key, "title": draw(TITLES), "tenant": draw(TENANTS), "book_id": draw(owned)} for key in (1, 2, 3, 4)
    }
    tags = {key: {"id": key, "word": draw(TITLES), "tenant": draw(TENANTS)} for key in (1, 2)}
    pairs = draw(st.frozensets(st.tuples(owned, st.sampled_from([1, 2]))))
    return World({Author: authors, Book: books, Chapter: chapters, Tag: tags}, pairs)
