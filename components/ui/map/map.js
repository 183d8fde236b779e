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

const NONE = 65535 // the number of an image that is in no part
const ALL = -3 // the number of parts that have one entry together
const MOST_THUMBS = 300 // images in view from which on they are points
const CLICK = 5 // pixels that a press may move and still be a click
const NEAR = { mouse: 10, touch: 24, keyboard: 120 } // pixels from a point
const EDGE = 0.25 // of the map's width that is drawn beyond each side, for moving it
const SLOW = 30 // milliseconds
const ZOOMS = [0.6, 200]
class View {
  pointers = new Map() // pressed: by id, where they are
  tool = "pan"
  about = new Map() // by row: name and alternative text
  thumbs = new Map() // by row: the image element
  shown = -1 // the row on the card

  constructor(root) {
    this.root = root
    this.find = (name) => root.querySelector(name)
    this.canvas = this.find("canvas")
    this.surface = this.find(".surface") // before the canvas, which is moved: it takes the events
    this.points = Points.on(this.canvas)
    if (this.points.flat) this.say("This browser has no WebGL: the map is drawn without it, slower.")
    this.resized = new ResizeObserver(() => this.resize())
    this.resized.observe(this.surface)
    this.dialogs = new MutationObserver(() => this.focusAgain())
    this.dialogs.observe(document.body, { childList: true, subtree: true })
    // A change of the theme changes the text's colour, which takes a moment: see map.css.
    root.addEventListener("transitionend", ({ target }) => target === root && this.colour())
    this.listen()
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
    this.legend()
    this.label()
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
    this.about.clear()
    this.hideCard()
    this.clearThumbs()
    this.pace = 0 // milliseconds that a frame takes while the map is moved
    this.home = extent(places)
    this.at = this.data.place ? { x, y, zoom: clamp(zoom, ...ZOOMS) } : { ...this.home, zoom: 1 }
    this.yield()
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
    const look = colouring.names ? this.partLook() : this.scaleLook()
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

  scaleLook() {
    const { low, high } = this.data.colouring
    const ramp = shades(RAMPS[Number(this.dark)])
    return (number) => {
      const share = clamp((number / 32767 - 1 - low) / (high - low), 0, 1)
      const size = Math.round(13 + 11 * share)
      return { rgb: ramp[Math.round(share * 255)], shape: 0, size, strength: share }
    }
  }

  partLook() {
    const faint = rgb(this.dark ? FAINT.dark : FAINT.light)
    const { looks } = this.data.colouring
    const colours = COLOURS.map(rgb)
    const rest = { rgb: faint, shape: 0, size: 12, strength: 0 }
    return (number) => {
      if (number === NONE) return rest
      const look = looks[number] ?? number
      return { rgb: colours[look % colours.length], shape: shapeOf(look), size: 16, strength: 1 }
    }
  }

  // ---- The legend, and the names of parts on the map

  legend() {
    const { colouring, part } = this.data
    const legend = this.find(".legend")
    const title = element("strong", "", colouring.title)
    if (!colouring.names) {
      const bar = element("span", "bar")
      const ends = [colouring.low, colouring.high].map((end) => element("span", "", end.toFixed(2)))
      legend.replaceChildren(title, ends[0], bar, ends[1], element("span", "note", colouring.note))
      return
    }
    const entries = colouring.together
      ? [this.entry(colouring.together, ALL, part)]
      : colouring.names.map((name, number) => this.entry(name, number, part))
    if (colouring.counts.at(-1)) entries.push(this.entry(colouring.rest, -1, part))
    legend.replaceChildren(title, ...entries)
    if (colouring.note) legend.append(element("span", "note", colouring.note))
  }

  entry(name, number, part) {
    const { counts } = this.data.colouring
    const images = number === ALL ? this.data.count - counts.at(-1) : counts.at(number)
    const size = images.toLocaleString("en")
    const made = element("button", "entry")
    const mark = element("span", `mark shape-${number < 0 ? 0 : shapeOf(number)}`)
    if (number >= 0) mark.style.background = COLOURS[number % COLOURS.length]
    if (number === ALL) mark.style.background = `conic-gradient(${COLOURS.slice(0, 6).join()})`
    made.type = "button"
    made.append(mark, element("span", "", name), element("span", "size", size))
    made.title = `Select these ${size} images`
    made.setAttribute("aria-pressed", this.data.selected !== "" && number === part)
    made.onclick = () => this.trigger("part", number)
    return made
  }

  label() {
    const labels = [...this.data.labels].sort((a, b) => b.size - a.size)
    this.labels = labels.map((label) => ({ ...label, box: element("span", "label", label.text) }))
    this.find(".labels").replaceChildren(...this.labels.map((label) => label.box))
    for (const label of this.labels) label.width = label.box.offsetWidth
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
    this.drawLabels()
    const corners = this.drawing ?? this.area.map((corner) => this.spot(...corner))
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

  drawLabels() {
    const taken = [".tools", ".zoom"].map((name) => rectangleOf(this.find(name)))
    const [clientWidth, clientHeight] = this.size
    for (const { box, x, y, width } of this.labels) {
      const [left, top] = this.spot(x, y)
      const rectangle = [left - width / 2 - 3, top - 13, left + width / 2 + 3, top + 13]
      const within = rectangle[0] > 0 && rectangle[2] < clientWidth
      const inside = within && top > 14 && top < clientHeight - 14
      const free = inside && !taken.some((other) => overlap(other, rectangle))
      if (free) taken.push(rectangle)
      box.classList.toggle("beyond", !free)
      move(box, left, top)
    }
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

  // ---- The image under the pointer, or in the middle

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

  async showCard(row, spoken = false) {
    if (row < 0) return this.hideCard()
    if (row === this.shown && !spoken) return
    this.shown = row
    const { name, alt, credit } = await this.learn(row)
    if (row !== this.shown) return // the pointer has moved on
    const image = this.find(".card img")
    image.src = `${this.address}/thumb/${row}`
    image.alt = alt
    this.find(".card .name").textContent = name
    this.find(".card .value").textContent = this.value(row)
    this.find(".card .credit").textContent = credit
    this.find(".card").hidden = false
    this.placeCard(row)
    if (spoken) this.find(".spoken").textContent = [name, this.value(row), alt].join(", ")
  }

  placeCard(row) {
    const [left, top] = this.pixel(row)
    const [clientWidth, clientHeight] = this.size
    const { offsetWidth: width, offsetHeight: height } = this.find(".card")
    const gap = this.thumbs.has(row) ? this.side / 2 + 8 : 16
    const beside = left + gap + width < clientWidth ? left + gap : left - gap - width
    const x = clamp(beside, 4, Math.max(clientWidth - width - 4, 4))
    const y = clamp(top - height / 2, 4, Math.max(clientHeight - height - 4, 4))
    this.find(".card").style.transform = `translate(${x}px, ${y}px)`
  }

  hideCard() {
    this.shown = -1
    this.find(".card").hidden = true
  }

  async learn(row) {
    if (!this.about.has(row)) {
      const answer = await fetch(`${this.address}/about/${row}`).catch(() => null)
      const about = answer?.ok ? await answer.json() : { name: "", alt: "", credit: "" }
      if (this.about.size > 1000) this.about.clear()
      this.about.set(row, about)
    }
    return this.about.get(row)
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

  listen() {
    const { canvas, surface } = this
    // A graphics card may be taken away, as when a computer wakes up, and given back.
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault())
    canvas.addEventListener("webglcontextrestored", () => {
      this.points = Points.on(canvas)
      this.colour()
    })
    surface.addEventListener("pointerdown", (event) => this.press(event))
    surface.addEventListener("pointermove", (event) => this.drag(event))
    surface.addEventListener("pointerup", (event) => this.release(event))
    surface.addEventListener("pointercancel", (event) => this.release(event, true))
    surface.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.hideCard() // a finger leaves whenever it is lifted
    })
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false })
    surface.addEventListener("keydown", (event) => this.key(event))
    surface.addEventListener("blur", () => this.hideCard())
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.onclick = () => this.choose(button.dataset.tool)
    }
    this.choose(this.tool)
    this.find(".in").onclick = () => this.zoomBy(1.6)
    this.find(".out").onclick = () => this.zoomBy(1 / 1.6)
    this.find(".fit").onclick = () => this.goTo({ ...this.home, zoom: 1 })
    this.find(".visible").onclick = () => {
      this.select(box([0, 0], this.size))
    }
  }

  choose(tool) {
    this.tool = tool
    this.root.dataset.tool = tool
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", button.dataset.tool === tool)
    }
    this.yield()
  }

  // Lets a finger that moves up or down scroll the page while the map is shown whole.
  yield() {
    this.root.classList.toggle("yields", this.tool === "pan" && !(this.at?.zoom > 1))
  }

  yields({ pointerType }) {
    return pointerType === "touch" && this.root.classList.contains("yields")
  }

  press(event) {
    if (event.button || !this.unit) return
    const at = [event.offsetX, event.offsetY]
    this.surface.setPointerCapture(event.pointerId)
    this.pointers.set(event.pointerId, at)
    this.began = at
    this.moved = false
    const tool = event.shiftKey && this.tool === "pan" ? "box" : this.tool
    this.drawing = tool === "pan" || this.pointers.size > 1 ? undefined : [at]
    this.boxed = tool === "box"
  }

  drag(event) {
    if (!this.unit) return
    const at = [event.offsetX, event.offsetY]
    const before = this.pointers.get(event.pointerId)
    if (!before) {
      const row = this.nearest(...at, NEAR.mouse)
      this.root.classList.toggle("over", row >= 0)
      this.showCard(row)
      return
    }
    if (!this.moved && distance(at, this.began) < CLICK) return
    this.moved = true
    this.hideCard()
    if (this.pointers.size === 2) this.pinch(event.pointerId, at)
    else if (this.drawing) this.outline(at)
    else this.shift(before[0] - at[0], this.yields(event) ? 0 : before[1] - at[1])
    this.pointers.set(event.pointerId, at)
  }

  pinch(id, at) {
    const [other] = [...this.pointers].filter(([each]) => each !== id).map(([, place]) => place)
    const before = this.pointers.get(id)
    const [middle, last] = [halfway(at, other), halfway(before, other)]
    this.shift(last[0] - middle[0], last[1] - middle[1])
    this.zoomBy(distance(at, other) / Math.max(distance(before, other), 1), middle)
  }

  outline(at) {
    if (this.boxed) this.drawing = box(this.began, at)
    else if (distance(at, this.drawing.at(-1)) > 4) this.drawing.push(at)
    this.paint()
  }

  release(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return
    const { drawing } = this
    this.drawing = undefined
    if (cancelled) return this.paint()
    if (!this.moved) return this.click(event)
    if (drawing?.length > 2) this.select(drawing)
    this.paint()
  }

  // A finger has no way to hover: its first tap shows the image, the second one opens it.
  click({ offsetX, offsetY, pointerType }) {
    const touch = pointerType === "touch"
    const row = this.nearest(offsetX, offsetY, touch ? NEAR.touch : NEAR.mouse)
    if (row >= 0 && (!touch || row === this.shown)) this.open(row)
    else this.showCard(row)
  }

  // Selects what is inside of an outline in pixels; of a long one, enough corners are sent.
  select(outline) {
    const step = Math.ceil(outline.length / 60)
    const corners = outline.filter((_, number) => number % step === 0)
    this.area = corners.map(([left, top]) => this.point(left, top))
    this.paint()
    this.trigger("area", this.area)
  }

  wheel(event) {
    const out = event.deltaY > 0
    if (!this.unit || (out && this.at.zoom <= 1 && !event.ctrlKey)) return // the page scrolls
    event.preventDefault()
    const step = event.deltaMode ? 20 * event.deltaY : event.deltaY
    this.zoomBy(1.0015 ** -clamp(step, -400, 400), [event.offsetX, event.offsetY])
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.unit) return
    const act = {
      ArrowLeft: () => this.shift(-60, 0),
      ArrowRight: () => this.shift(60, 0),
      ArrowUp: () => this.shift(0, -60),
      ArrowDown: () => this.shift(0, 60),
      "+": () => this.zoomBy(1.6),
      "=": () => this.zoomBy(1.6),
      "-": () => this.zoomBy(1 / 1.6),
      0: () => this.goTo({ ...this.home, zoom: 1 }),
      Enter: () => this.shown >= 0 && this.open(this.shown),
    }[event.key]
    if (!act) return
    event.preventDefault()
    event.stopPropagation()
    act()
    if (event.key === "Enter") return
    const [clientWidth, clientHeight] = this.size
    const row = this.nearest(clientWidth / 2, clientHeight / 2, NEAR.keyboard)
    if (row < 0) this.find(".spoken").textContent = "No image near the middle"
    this.showCard(row, true)
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

  goTo(at) {
    const { width, height } = this.home
    const x = clamp(at.x, this.home.x - width, this.home.x + width)
    const y = clamp(at.y, this.home.y - height, this.home.y + height)
    this.at = { x, y, zoom: at.zoom }
    this.yield()
    this.moving = true
    this.paint()
    this.rest()
    clearTimeout(this.telling)
    this.telling = setTimeout(() => this.trigger("moved", [x, y, at.zoom]), 600)
  }
}
