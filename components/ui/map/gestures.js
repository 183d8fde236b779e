// What pointers, fingers, the wheel and keys do on the map.

const CLICK = 5 // pixels that a press may move and still be a click
const NEAR = { mouse: 10, touch: 24, keyboard: 120 } // pixels from a point

class Gestures {
  pointers = new Map() // pressed: by id, where they are
  drawing = undefined // corners of the outline that is being drawn, in pixels
  tool = "pan"

  constructor(root, view) {
    this.root = root
    this.view = view
    this.surface = root.querySelector(".surface")
    this.listen()
  }

  listen() {
    const { root, surface, view } = this
    surface.addEventListener("pointerdown", (event) => this.press(event))
    surface.addEventListener("pointermove", (event) => this.drag(event))
    surface.addEventListener("pointerup", (event) => this.release(event))
    surface.addEventListener("pointercancel", (event) => this.release(event, true))
    surface.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") view.card.hide() // a finger leaves whenever it is lifted
    })
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false })
    surface.addEventListener("keydown", (event) => this.key(event))
    surface.addEventListener("blur", () => view.card.hide())
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.onclick = () => this.choose(button.dataset.tool)
    }
    this.choose(this.tool)
    root.querySelector(".in").onclick = () => view.zoomBy(1.6)
    root.querySelector(".out").onclick = () => view.zoomBy(1 / 1.6)
    root.querySelector(".fit").onclick = () => view.goHome()
    root.querySelector(".visible").onclick = () => view.select(box([0, 0], view.size))
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
    this.root.classList.toggle("yields", this.tool === "pan" && !(this.view.at?.zoom > 1))
  }

  yields({ pointerType }) {
    return pointerType === "touch" && this.root.classList.contains("yields")
  }

  press(event) {
    if (event.button || !this.view.unit) return
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
    if (!this.view.unit) return
    const at = [event.offsetX, event.offsetY]
    const before = this.pointers.get(event.pointerId)
    if (!before) {
      const row = this.view.nearest(...at, NEAR.mouse)
      this.root.classList.toggle("over", row >= 0)
      this.view.card.show(row)
      return
    }
    if (!this.moved && distance(at, this.began) < CLICK) return
    this.moved = true
    this.view.card.hide()
    if (this.pointers.size === 2) this.pinch(event.pointerId, at)
    else if (this.drawing) this.outline(at)
    else this.view.shift(before[0] - at[0], this.yields(event) ? 0 : before[1] - at[1])
    this.pointers.set(event.pointerId, at)
  }

  pinch(id, at) {
    const [other] = [...this.pointers].filter(([each]) => each !== id).map(([, place]) => place)
    const before = this.pointers.get(id)
    const [middle, last] = [halfway(at, other), halfway(before, other)]
    this.view.shift(last[0] - middle[0], last[1] - middle[1])
    this.view.zoomBy(distance(at, other) / Math.max(distance(before, other), 1), middle)
  }

  outline(at) {
    if (this.boxed) this.drawing = box(this.began, at)
    else if (distance(at, this.drawing.at(-1)) > 4) this.drawing.push(at)
    this.view.paint()
  }

  release(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return
    const { drawing } = this
    this.drawing = undefined
    if (cancelled) return this.view.paint()
    if (!this.moved) return this.click(event)
    if (drawing?.length > 2) this.view.select(drawing)
    this.view.paint()
  }

  // A finger has no way to hover: its first tap shows the image, the second one opens it.
  click({ offsetX, offsetY, pointerType }) {
    const touch = pointerType === "touch"
    const row = this.view.nearest(offsetX, offsetY, touch ? NEAR.touch : NEAR.mouse)
    if (row >= 0 && (!touch || row === this.view.card.shown)) this.view.open(row)
    else this.view.card.show(row)
  }

  wheel(event) {
    const out = event.deltaY > 0
    const { unit, at } = this.view
    if (!unit || (out && at.zoom <= 1 && !event.ctrlKey)) return // the page scrolls
    event.preventDefault()
    const step = event.deltaMode ? 20 * event.deltaY : event.deltaY
    this.view.zoomBy(1.0015 ** -clamp(step, -400, 400), [event.offsetX, event.offsetY])
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.view.unit) return
    const act = {
      ArrowLeft: () => this.view.shift(-60, 0),
      ArrowRight: () => this.view.shift(60, 0),
      ArrowUp: () => this.view.shift(0, -60),
      ArrowDown: () => this.view.shift(0, 60),
      "+": () => this.view.zoomBy(1.6),
      "=": () => this.view.zoomBy(1.6),
      "-": () => this.view.zoomBy(1 / 1.6),
      0: () => this.view.goHome(),
      Enter: () => this.view.card.shown >= 0 && this.view.open(this.view.card.shown),
    }[event.key]
    if (!act) return
    event.preventDefault()
    event.stopPropagation()
    act()
    if (event.key === "Enter") return
    const [clientWidth, clientHeight] = this.view.size
    const row = this.view.nearest(clientWidth / 2, clientHeight / 2, NEAR.keyboard)
    if (row < 0) this.view.card.spoken.textContent = "No image near the middle of the map"
    this.view.card.show(row, true)
  }
}
