// The large view's image or film, with buttons and arrow keys to those before and after it.

const listeners = new WeakMap() // the key listener of each place that Streamlit mounts this at

export default function ({ parentElement: parent, data, setTriggerValue }) {
  const find = (name) => parent.querySelector(name)
  const image = find("img")
  if (image.getAttribute("src") !== data.src) image.src = data.src
  image.alt = data.alt
  image.hidden = Boolean(data.film)
  show(find("video"), data, (address) => setTriggerValue("failed", address))
  for (const [name, way] of [[".previous", "Previous"], [".next", "Next"]])
    find(name).setAttribute("aria-label", `${way} ${data.film ? "moment" : "image"}`)
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
    const typing = path.some((each) => each.matches?.("input, textarea, video, [role=grid], canvas"))
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (way && !typing && !event.altKey && !event.ctrlKey && !event.metaKey) go(way)
  }
  listeners.set(parent, listen)
  document.addEventListener("keydown", listen)
  return () => {
    document.removeEventListener("keydown", listeners.get(parent))
    stop(find("video"))
  }
}

// A film goes on playing while it stays the same and nobody asks for another second of it.
function show(video, { film, src, alt }, failed) {
  video.hidden = !film
  if (!film) return stop(video)
  const { address, start, seek } = film
  video.setAttribute("aria-label", alt)
  video.onerror = () => failed(address)
  // A browser plays the sound alone of a film whose pictures it cannot decode.
  video.onloadedmetadata = () => video.videoWidth || failed(address)
  const asked = JSON.stringify([address, start, seek])
  if (video.dataset.asked === asked) return
  video.dataset.asked = asked
  if (video.dataset.address === address) video.currentTime = start
  else {
    video.dataset.address = address
    video.poster = src
    video.src = `${new URL(address, document.baseURI).href}#t=${start}`
  }
  // A page that was opened by a link shows the moment, and plays it when asked to.
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches
  if (navigator.userActivation?.hasBeenActive && !still) video.play().catch(() => {})
}

function stop(video) {
  if (!video.dataset.address) return
  delete video.dataset.address
  delete video.dataset.asked
  video.removeAttribute("src")
  video.load() // ends its download
}
