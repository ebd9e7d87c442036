"""Studies: many deployments of models, described in one file, run on all cores, kept in a table.

`description` reads the file, `points` makes trials of it, `trial` runs one, `engines` run many,
`store` keeps them in SQLite; `running.sweep` is ``nmb.sweep``.
"""
