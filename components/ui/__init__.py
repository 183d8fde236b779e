"""What pages are made of: the only part of `components` that imports Streamlit."""
