"""Small worlds for tests of the atlas."""

from dataclasses import replace
from functools import cache

from examples.atlas.data import CITIES_15000, Dataset, World


@cache
def two_countries() -> World:
    """All continents and countries, and the cities of France and Monaco."""
    world = CITIES_15000.read()
    return replace(world, cities=[city for city in world.cities if city["country_code"] in {"FR", "MC"}])


SMALL = Dataset("two countries", two_countries)
