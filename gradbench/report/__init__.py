"""Tables, figures and the page, from parquet."""
