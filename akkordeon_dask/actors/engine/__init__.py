"""The actor system: mailboxes, cells, threads. It knows neither gates nor Dask nor numpy."""
