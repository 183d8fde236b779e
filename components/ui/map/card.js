// The card of the image under the pointer, or in the middle of the map.

class Card {
  shown = -1 // the row of its image
  about = new Map() // by row: name and alternative text

  constructor(root, view) {
    this.view = view
    this.card = root.querySelector(".card")
    this.find = (name) => this.card.querySelector(name)
    this.spoken = root.querySelector(".spoken")
  }

  // Shows an image, or none where ``row`` is -1; ``spoken`` has screen readers say which.
  async show(row, spoken = false) {
    if (row < 0) return this.hide()
    if (row === this.shown && !spoken) return
    this.shown = row
    const { name, alt, credit } = await this.learn(row)
    if (row !== this.shown) return // the pointer has moved on
    const value = this.view.value(row)
    const image = this.find("img")
    image.src = `${this.view.address}/thumb/${row}`
    image.alt = alt
    this.find(".name").textContent = name
    this.find(".value").textContent = value
    this.find(".credit").textContent = credit
    this.card.hidden = false
    this.place(row)
    if (spoken) this.spoken.textContent = [name, value, alt].join(", ")
  }

  place(row) {
    const [left, top] = this.view.pixel(row)
    const [clientWidth, clientHeight] = this.view.size
    const { offsetWidth: width, offsetHeight: height } = this.card
    const gap = this.view.thumbs.has(row) ? this.view.side / 2 + 8 : 16
    const beside = left + gap + width < clientWidth ? left + gap : left - gap - width
    const x = clamp(beside, 4, Math.max(clientWidth - width - 4, 4))
    const y = clamp(top - height / 2, 4, Math.max(clientHeight - height - 4, 4))
    this.card.style.transform = `translate(${x}px, ${y}px)`
  }

  hide() {
    this.shown = -1
    this.card.hidden = true
  }

  // Forgets the images of the map before.
  clear() {
    this.about.clear()
    this.hide()
  }

  async learn(row) {
    if (!this.about.has(row)) {
      const answer = await fetch(`${this.view.address}/about/${row}`).catch(() => null)
      const about = answer?.ok ? await answer.json() : { name: "", alt: "", credit: "" }
      if (this.about.size > 1000) this.about.clear()
      this.about.set(row, about)
    }
    return this.about.get(row)
  }
}
