// The map: see map.py for the data. Untrusted text goes in by textContent or an attribute.

const views = new WeakMap() // one for each place that Streamlit mounts the map at

export default function (component) {
  const { parentElement: parent } = component
  if (!views.has(parent)) views.set(parent, new View(parent.querySelector(".root")))
  const view = views.get(parent)
  view.take(component)
  return () => {
    view.close()
    views.delete(parent)
  }
}

const MOST_THUMBS = 300 // images in view from which on they are points
const EDGE = 0.25 // of the map's width that is drawn beyond each side, for moving it
const SLOW = 30 // milliseconds
const ZOOMS = [0.6, 200]

class View {
  thumbs = new Map() // by row: the image element

  constructor(root) {
    this.root = root
    this.find = (name) => root.querySelector(name)
    this.canvas = this.find("canvas")
    this.surface = this.find(".surface") // before the canvas, which is moved: it takes the events
    this.points = Points.on(this.canvas)
    this.labels = new Labels(this.find(".labels"))
    this.card = new Card(root, this)
    this.gestures = new Gestures(root, this)
    if (this.points.flat) this.say("This browser has no WebGL: the map is drawn without it, slower.")
    this.resized = new ResizeObserver(() => this.resize())
    this.resized.observe(this.surface)
    this.dialogs = new MutationObserver(() => this.focusAgain())
    this.dialogs.observe(document.body, { childList: true, subtree: true })
    // A change of the theme changes the text's colour, which takes a moment: see map.css.
    root.addEventListener("transitionend", ({ target }) => target === root && this.colour())
    // A graphics card may be taken away, as when a computer wakes up, and given back.
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault())
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.points = Points.on(this.canvas)
      this.colour()
    })
  }

  close() {
    this.resized.disconnect()
    this.dialogs.disconnect()
    clearTimeout(this.resting)
    clearTimeout(this.telling)
    cancelAnimationFrame(this.frame)
  }

  // ---- What the page sends

  take({ data, setTriggerValue }) {
    this.data = data
    this.trigger = setTriggerValue
    this.values = new Uint16Array(bytes(data.colouring.values).buffer)
    this.passing = data.passing && bytes(data.passing)
    this.selected = data.selected && bytes(data.selected)
    this.area = data.area
    this.surface.setAttribute("aria-label", `Map of ${data.count.toLocaleString("en")} images`)
    showLegend(this.find(".legend"), data, (part) => setTriggerValue("part", part))
    this.labels.set(data.labels)
    if (this.address === data.address) return this.colour()
    this.address = data.address
    this.load()
  }

  async load() {
    const address = this.address
    const answer = await fetch(`${address}/xy`).catch(() => null)
    const places = answer?.ok && new Float32Array(await answer.arrayBuffer())
    if (address !== this.address) return // another map has come meanwhile
    if (places?.length !== 2 * this.data.count) {
      this.say("The map could not be loaded. Reload the page.")
      return
    }
    const [x, y, zoom] = this.data.place ?? [NaN, NaN, 1]
    this.places = places
    this.card.clear()
    this.clearThumbs()
    this.pace = 0 // milliseconds that a frame takes while the map is moved
    this.home = extent(places)
    this.at = this.data.place ? { x, y, zoom: clamp(zoom, ...ZOOMS) } : { ...this.home, zoom: 1 }
    this.gestures.yield()
    this.resize()
    this.colour()
    this.root.classList.add("loaded")
  }

  say(text) {
    this.find(".notice").textContent = text
    this.find(".notice").hidden = false
  }

  // ---- Colours

  // Whether an image is shown in full; the others are faint.
  full(row) {
    return has(this.passing, row) && has(this.selected, row)
  }

  colour() {
    if (!this.places) return
    this.dark = luminance(getComputedStyle(this.root).color) > 0.5
    const { count, colouring } = this.data
    const colours = new Uint8Array(4 * count)
    const forms = new Uint8Array(2 * count)
    const strengths = new Float32Array(count)
    const look = (colouring.names ? partLook : scaleLook)(colouring, this.dark)
    for (let row = 0; row < count; row++) {
      const { rgb, shape, size, strength } = look(this.values[row])
      const full = this.full(row)
      colours.set(rgb, 4 * row)
      colours[4 * row + 3] = full ? 235 : 40
      forms[2 * row] = shape
      forms[2 * row + 1] = full ? size : 11
      strengths[row] = full ? 1 + strength : strength / 2
    }
    this.colours = colours
    this.order = Uint32Array.from({ length: count }, (_, row) => row)
    this.order.sort((a, b) => strengths[a] - strengths[b]) // the strongest above the others
    this.points.set(this.places, colours, forms, this.order)
    this.find(".legend").style.setProperty("--ramp", RAMPS[Number(this.dark)].join(", "))
    this.paint()
    this.rest()
  }

  // ---- Drawing

  get scale() {
    return this.unit * this.at.zoom // pixels to a unit of the map
  }

  get size() {
    return [this.surface.clientWidth, this.surface.clientHeight]
  }

  resize() {
    const [width, height] = this.size
    if (!width || !this.at) return
    this.ratio = Math.min(window.devicePixelRatio, 2)
    this.canvas.width = Math.round(width * this.ratio * (1 + 2 * EDGE))
    this.canvas.height = Math.round(height * this.ratio * (1 + 2 * EDGE))
    this.unit = 0.44 * Math.min(width / this.home.width, height / this.home.height)
    this.draw()
    this.rest()
  }

  paint() {
    this.frame ??= requestAnimationFrame((now) => this.draw(now))
  }

  draw(now = 0) {
    this.frame = undefined
    if (!this.unit) return
    if (!this.slides()) this.drawPoints(now)
    for (const [row, image] of this.thumbs) move(image, ...this.pixel(row))
    this.labels.draw(this, [".tools", ".zoom"].map((name) => rectangleOf(this.find(name))))
    const corners = this.gestures.drawing ?? this.area.map((corner) => this.spot(...corner))
    this.find("polygon").setAttribute("points", corners.map((corner) => corner.join()).join(" "))
  }

  drawPoints(now) {
    const { x, y, zoom } = this.at
    const [width, height] = this.size
    const room = Math.sqrt((width * height) / this.data.count) // pixels beside each point
    const size = Math.min(clamp(0.9 * room, 4, 16) * zoom ** 0.3, 22)
    this.points.draw({ x, y, scale: this.scale * this.ratio }, size * this.ratio)
    this.canvas.style.transform = ""
    this.drawn = this.at
    const took = now - this.before
    if (this.moving && took < 300) this.pace = 0.7 * this.pace + 0.3 * took
    this.before = now
  }

  // Moves what was drawn where drawing it again takes too long for every frame, as without a
  // graphics card; returns whether that will do. It is drawn again once the map has come to rest.
  slides() {
    if (!this.moving || this.pace < SLOW || !this.drawn) return false
    const right = (this.drawn.x - this.at.x) * this.scale
    const down = (this.at.y - this.drawn.y) * this.scale
    const larger = this.at.zoom / this.drawn.zoom
    const [width, height] = this.size
    if (Math.abs(right) > EDGE * width || Math.abs(down) > EDGE * height) return false
    if (larger < 0.7 || larger > 2) return false
    this.canvas.style.transform = `translate(${right}px, ${down}px) scale(${larger})`
    return true
  }

  // The pixel of a point of the map, and the other way round.
  spot(x, y) {
    const [clientWidth, clientHeight] = this.size
    return [
      clientWidth / 2 + (x - this.at.x) * this.scale,
      clientHeight / 2 - (y - this.at.y) * this.scale,
    ]
  }

  pixel(row) {
    return this.spot(this.places[2 * row], this.places[2 * row + 1])
  }

  point(left, top) {
    const [clientWidth, clientHeight] = this.size
    return [
      this.at.x + (left - clientWidth / 2) / this.scale,
      this.at.y - (top - clientHeight / 2) / this.scale,
    ]
  }

  // ---- Thumbnails in place of points, once the map has come to rest

  rest() {
    clearTimeout(this.resting)
    this.resting = setTimeout(() => {
      this.moving = false
      this.paint()
      this.showThumbs()
    }, 150)
  }

  showThumbs() {
    if (!this.unit) return
    const [width, height] = this.size
    const rows = this.visible()
    if (rows.length > MOST_THUMBS) return this.clearThumbs()
    const side = clamp(0.8 * Math.sqrt((width * height) / rows.length), 44, 120)
    const taken = []
    const kept = new Map()
    for (const row of rows) {
      const [left, top] = this.pixel(row)
      const box = [left - side / 2, top - side / 2, left + side / 2, top + side / 2]
      if (taken.some((other) => overlap(other, box))) continue
      taken.push(box)
      kept.set(row, this.thumb(row, side))
    }
    this.side = side
    this.thumbs = kept
    this.find(".thumbs").replaceChildren(...kept.values())
  }

  // The rows in view, those that are shown in full and the strongest first.
  visible() {
    const [left, top] = this.point(0, 0)
    const [right, bottom] = this.point(...this.size)
    const inView = (row) => {
      const [x, y] = [this.places[2 * row], this.places[2 * row + 1]]
      return x >= left && x <= right && y >= bottom && y <= top
    }
    return [...this.order.filter(inView)].reverse()
  }

  thumb(row, side) {
    const image = this.thumbs.get(row) ?? element("img")
    const source = `${this.address}/thumb/${row}`
    if (image.getAttribute("src") !== source) image.src = source
    image.alt = ""
    image.style.setProperty("--side", `${side}px`)
    image.style.borderColor = `rgb(${this.colours.subarray(4 * row, 4 * row + 3).join()})`
    image.classList.toggle("faint", !this.full(row))
    move(image, ...this.pixel(row))
    return image
  }

  clearThumbs() {
    this.thumbs = new Map()
    this.find(".thumbs").replaceChildren()
  }

  // ---- Images

  // The row whose image is nearest to a pixel, ``within`` so many of them; -1 where there is none.
  nearest(left, top, within) {
    const reach = this.side / 2
    for (const row of this.thumbs.keys()) {
      const [x, y] = this.pixel(row)
      if (Math.max(Math.abs(x - left), Math.abs(y - top)) < reach) return row
    }
    const [x, y] = this.point(left, top)
    let best = -1
    let least = (within / this.scale) ** 2
    let full = false
    for (let row = 0; row < this.data.count; row++) {
      const away = (this.places[2 * row] - x) ** 2 + (this.places[2 * row + 1] - y) ** 2
      if (away > (within / this.scale) ** 2) continue
      const clear = this.full(row) // goes before one that is faint
      if (clear === full ? away < least : clear) [best, least, full] = [row, away, clear]
    }
    return best
  }

  value(row) {
    const { title, names, rest } = this.data.colouring
    const number = this.values[row]
    if (!names) return `${title} ${(number / 32767 - 1).toFixed(3)}`
    return `${title}: ${number === NONE ? rest : names[number]}`
  }

  open(row) {
    clearTimeout(this.telling) // a run of the page would close the large view and open it again
    this.returnTo = this.surface
    this.trigger("opened", row)
  }

  // Focus returns to the map when the large view has closed.
  focusAgain() {
    if (!this.returnTo) return
    const open = document.querySelector("[role=dialog]")
    if (open) this.seen = true
    else if (this.seen) {
      this.returnTo.focus()
      this.returnTo = null
      this.seen = false
    }
  }

  // ---- Moving and selecting

  // Selects what is inside of an outline in pixels; of a long one, enough corners are sent.
  select(outline) {
    const step = Math.ceil(outline.length / 60)
    const corners = outline.filter((_, number) => number % step === 0)
    this.area = corners.map(([left, top]) => this.point(left, top))
    this.paint()
    this.trigger("area", this.area)
  }

  shift(right, down) {
    if (!right && !down) return
    const { x, y } = this.at
    this.goTo({ ...this.at, x: x + right / this.scale, y: y - down / this.scale })
  }

  zoomBy(factor, [left, top] = halfway([0, 0], this.size)) {
    if (!this.unit) return
    const [x, y] = this.point(left, top)
    const zoom = clamp(this.at.zoom * factor, ...ZOOMS)
    const ratio = this.at.zoom / zoom // the point under the pointer stays there
    this.goTo({ x: x + (this.at.x - x) * ratio, y: y + (this.at.y - y) * ratio, zoom })
  }

  goHome() {
    this.goTo({ ...this.home, zoom: 1 })
  }

  goTo(at) {
    const { width, height } = this.home
    const x = clamp(at.x, this.home.x - width, this.home.x + width)
    const y = clamp(at.y, this.home.y - height, this.home.y + height)
    this.at = { x, y, zoom: at.zoom }
    this.gestures.yield()
    this.moving = true
    this.paint()
    this.rest()
    clearTimeout(this.telling)
    this.telling = setTimeout(() => this.trigger("moved", [x, y, at.zoom]), 600)
  }
}
