"""What every session runs: a folder of its own, because Streamlit puts it on the search path."""
