"""Training on data in parts: Parquet files that the workers of a Dask cluster read, each its own.

The process that trains never holds the rows: it hands out work, and adds up what comes back.
"""
