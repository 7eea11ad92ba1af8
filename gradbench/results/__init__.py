"""Parquet: columns, files, locks, and which rows a path names."""
