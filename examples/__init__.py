"""Runnable apps made from the kit; each is tested in `tests/examples`."""
