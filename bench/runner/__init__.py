"""What `make bench` runs: starts the servers in turn, lets the load client measure them, writes the results down.

In reading order: `__main__` (the command) · `plan` (what is measured, of whom, how often) · `run` (does it) · `servers`
(who is measured) · `client` (the load client) · `premises` (which runs count) · `machine` (where) · `progress` ·
`results` (medians, ratios) · `rows` (what must be reached), `reasons` (why it is not) · `tables`, `charts` (how it is
shown).
"""
