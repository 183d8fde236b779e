"""What is above every page: its title, the switch "Present", and "Copy link"."""

from collections.abc import Callable

import streamlit as st

from components.ui import account

PRESENT = "present"  # in the link
_NEXT = "present_next"  # whether the page that is opened with a digit is presented too

_KEYS_JS = """
const listeners = new WeakMap()

export default function ({ parentElement: parent, setTriggerValue }) {
  document.removeEventListener("keydown", listeners.get(parent))
  const listen = (event) => {
    const path = event.composedPath()
    const typing = path.some((each) => each.matches?.("input, textarea, [contenteditable]"))
    const open = document.querySelector("[role=dialog]")
    if (typing || open || event.altKey || event.ctrlKey || event.metaKey) return
    const step = { PageDown: 1, PageUp: -1 }[event.key]
    if (event.key === "Escape") setTriggerValue("left", true)
    else if (step) setTriggerValue("stepped", step)
    else if (/^[1-6]$/.test(event.key)) setTriggerValue("opened", Number(event.key))
    else return
    event.preventDefault()
  }
  listeners.set(parent, listen)
  document.addEventListener("keydown", listen)
  return () => document.removeEventListener("keydown", listeners.get(parent))
}
"""
_COPY_JS = """
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button")
  button.onclick = async () => {
    await navigator.clipboard.writeText(location.href)
    button.textContent = "Copied"
    setTimeout(() => (button.textContent = "Copy link"), 1500)
  }
}
"""
_COPY_CSS = """
button {
  min-height: 2.25rem;
  padding: 0 0.75rem;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius);
  background: none;
  color: var(--st-text-color);
  font: 14px var(--st-font);
  white-space: nowrap;
  cursor: pointer;
}
button:hover {
  border-color: var(--st-primary-color);
  color: var(--st-primary-color);
}
button:focus-visible {
  outline: 3px solid var(--st-primary-color);
}
"""
_KEYS = st.components.v2.component("present_keys", html="<div>\n</div>", js=_KEYS_JS)
_COPY = st.components.v2.component(
    "copy_link",
    html='<button type="button" aria-live="polite">\nCopy link</button>',
    css=_COPY_CSS,
    js=_COPY_JS,
)


def heading(title: str, sentence: str, on_step: Callable[[int], None] | None = None) -> bool:
    """Draw the title of a page, "Present" and "Copy link"; return whether the page is presented.

    ``on_step`` is called with 1 or -1 for Page Down and Page Up while presenting.
    """
    if st.session_state.pop(_NEXT, False):
        st.session_state[PRESENT] = True
    with st.container(key="heading", horizontal=True, vertical_alignment="center"):
        with st.container(gap=None):
            st.title(title, anchor=False)
            st.markdown(sentence)
        with st.container(
            key="present-actions", horizontal=True, width="content", vertical_alignment="center"
        ):
            presenting = st.toggle(
                "Present",
                key=PRESENT,
                bind="query-params",
                help="Hides the inputs and enlarges the results. Arrow keys move between images,"
                " Enter opens one, Page Down and Page Up step through captions or pages of results,"
                " 1 to 6 open the pages of the app, Escape leaves.",
            )
            _COPY(key="copy_link")
            account.popover()
    if presenting:
        with st.container(key="presenting"):
            _keys(on_step)
    return bool(presenting)


def _keys(on_step: Callable[[int], None] | None) -> None:
    from components.ui.setup import PAGES, page

    def step() -> None:
        if on_step:
            on_step(int(st.session_state["present_keys"]["stepped"]))

    pressed = _KEYS(
        key="present_keys",
        on_left_change=_leave,
        on_stepped_change=step,
        on_opened_change=lambda: None,
    )
    if pressed.opened:
        st.session_state[_NEXT] = True  # Streamlit refuses parameters that are bound to a widget
        st.switch_page(page(PAGES[int(pressed.opened) - 1]), query_params={})


def _leave() -> None:
    st.session_state[PRESENT] = False
