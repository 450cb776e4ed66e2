"""The actor system: behaviors, mailboxes and cells. It knows neither gates nor Dask nor numpy."""
