// The large view's image, with buttons and arrow keys to the images before and after it.

const listeners = new WeakMap() // the key listener of each place that Streamlit mounts this at

export default function ({ parentElement: parent, data, setTriggerValue }) {
  const find = (name) => parent.querySelector(name)
  const image = find("img")
  if (image.getAttribute("src") !== data.src) image.src = data.src
  image.alt = data.alt
  find(".count").textContent = `${data.at} of ${data.of}`
  const go = (way) => {
    const to = data.at + way
    if (to >= 1 && to <= data.of) setTriggerValue("moved", way)
  }
  find(".previous").onclick = () => go(-1)
  find(".next").onclick = () => go(1)
  // Not "disabled": that would take the focus out of the dialog, and its Escape key with it.
  find(".previous").setAttribute("aria-disabled", data.at <= 1)
  find(".next").setAttribute("aria-disabled", data.at >= data.of)
  document.removeEventListener("keydown", listeners.get(parent))
  const listen = (event) => {
    const path = event.composedPath()
    const typing = path.some((each) => each.matches?.("input, textarea, [role=grid], canvas"))
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (way && !typing && !event.altKey && !event.ctrlKey && !event.metaKey) go(way)
  }
  listeners.set(parent, listen)
  document.addEventListener("keydown", listen)
  return () => document.removeEventListener("keydown", listeners.get(parent))
}
