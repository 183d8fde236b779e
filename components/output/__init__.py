"""Files that people take away: CSV, JSON, figures, the report."""
