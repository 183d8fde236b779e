"""The drawing pieces that pages are made of: the only part of `components` that knows Streamlit."""
