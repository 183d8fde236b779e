"""A button for each place that an exception can come from."""

import streamlit as st

from components.errors import CaptionLensError


def fail(place: str) -> None:
    raise CaptionLensError(f"The {place} failed: *try* <b>again</b>.")


@st.dialog("A dialog")
def dialog() -> None:
    st.write("Inside the dialog")
    if st.button("Fail in the dialog"):
        fail("dialog")


@st.fragment
def fragment() -> None:
    st.write("Inside the fragment")
    if st.button("Fail in the fragment"):
        fail("fragment")
    st.button("Fail in the fragment's callback", on_click=fail, args=("fragment's callback",))


st.title("Failures")
fragment()
st.button("Fail in the callback", on_click=fail, args=("callback",))
if st.button("Open the dialog"):
    dialog()
if st.button("Fail unexpectedly"):
    raise ValueError("secret")
if st.button("Fail in the script"):
    fail("script")
st.write("The end")
