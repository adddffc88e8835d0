"""The world as an API: continents, countries, cities and the visits you make.

Read in this order: `models` (the tables), `accounts` (who may what), `routes` (what the API serves), `main` (the app),
then `data` and `seed` (where the rows come from). `python -m examples.atlas` seeds and serves it.
"""
