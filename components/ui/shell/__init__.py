"""The script that sessions run, in a folder of its own: Streamlit puts that folder on sys.path."""
