"""Ids of requests are given once, also where processes fork and threads share them."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastapi_kit.logs._ids import RequestIds


def test_each_is_given_once() -> None:
    """They are hexadecimal, of one length, and all different, whoever asks."""
    ids = RequestIds()
    with ThreadPoolExecutor(8) as pool:
        given = [it.result() for it in [pool.submit(ids.new) for _ in range(5_000)]]
    assert len(set(given)) == len(given)
    assert all(re.fullmatch("[0-9a-f]{32}", it) for it in given)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_forked_process_gives_others() -> None:
    """What was ready before the fork is the parent's to give."""
    ids = RequestIds()
    ids.new()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ids.new().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = told.read()
    os.waitpid(child, 0)
    assert len(theirs) == 32
    assert theirs not in {ids.new() for _ in range(1_000)}
