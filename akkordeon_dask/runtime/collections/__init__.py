"""Collections of Dask as data: resolved into partitions, read by a group of sentinels."""
