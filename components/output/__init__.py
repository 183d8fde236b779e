"""Output files: CSV, JSON, Parquet, figures and the HTML report."""
