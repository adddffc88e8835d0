"""The front door as a module, and checkouts for it to work in."""

import importlib.machinery
import importlib.util
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.dev.checkout import DEV, Checkout, lay_out


@pytest.fixture
def door() -> ModuleType:
    """The script, loaded as a module of its own for each test."""
    loader = importlib.machinery.SourceFileLoader("dev", str(DEV))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def new_checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Checkout]:
    """Lays out a checkout in which nothing has been made yet."""
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python lacks ensurepip, with which environments get their pip")
    return lambda: lay_out(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def built(new_checkout: Callable[[], Checkout]) -> Checkout:
    """A checkout whose environment has been made; whoever changes it restores it."""
    checkout = new_checkout()
    checkout.first = checkout.dev("test", "-k", "name")
    assert checkout.first.returncode == 0, checkout.first.stderr
    return checkout
