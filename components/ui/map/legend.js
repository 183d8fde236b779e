// What the colours mean, and the names of parts on the map.

const ALL = -3 // the number of parts that have one entry together

// Shows the legend of a map's data; ``choose`` is called with the number of a part.
function showLegend(root, data, choose) {
  const { colouring } = data
  const title = element("strong", "", colouring.title)
  const note = colouring.note ? [element("span", "note", colouring.note)] : []
  if (!colouring.names) {
    const ends = [colouring.low, colouring.high].map((end) => element("span", "", end.toFixed(2)))
    root.replaceChildren(title, ends[0], element("span", "bar"), ends[1], ...note)
    return
  }
  const entries = colouring.together
    ? [legendEntry(data, colouring.together, ALL, choose)]
    : colouring.names.map((name, number) => legendEntry(data, name, number, choose))
  if (colouring.counts.at(-1)) entries.push(legendEntry(data, colouring.rest, -1, choose))
  root.replaceChildren(title, ...entries, ...note)
}

function legendEntry({ colouring: { counts }, count, selected, part }, name, number, choose) {
  const images = number === ALL ? count - counts.at(-1) : counts.at(number)
  const size = images.toLocaleString("en")
  const made = element("button", "entry")
  const mark = element("span", `mark shape-${number < 0 ? 0 : shapeOf(number)}`)
  if (number >= 0) mark.style.background = COLOURS[number % COLOURS.length]
  if (number === ALL) mark.style.background = `conic-gradient(${COLOURS.slice(0, 6).join()})`
  made.type = "button"
  made.append(mark, element("span", "", name), element("span", "size", size))
  made.title = `Select these ${size} images`
  made.setAttribute("aria-pressed", selected !== "" && number === part)
  made.onclick = () => choose(number)
  return made
}

class Labels {
  constructor(root) {
    this.root = root
    this.labels = []
  }

  // Takes texts with their places on the map; those of large parts go before others.
  set(labels) {
    const ordered = [...labels].sort((a, b) => b.size - a.size)
    this.labels = ordered.map((label) => ({ ...label, box: element("span", "label", label.text) }))
    this.root.replaceChildren(...this.labels.map((label) => label.box))
    for (const label of this.labels) label.width = label.box.offsetWidth
  }

  // Moves labels to where ``view`` has their places; hides those that would cover another one, or a
  // rectangle that is ``taken``.
  draw(view, taken) {
    const [clientWidth, clientHeight] = view.size
    for (const { box, x, y, width } of this.labels) {
      const [left, top] = view.spot(x, y)
      const rectangle = [left - width / 2 - 3, top - 13, left + width / 2 + 3, top + 13]
      const within = rectangle[0] > 0 && rectangle[2] < clientWidth
      const inside = within && top > 14 && top < clientHeight - 14
      const free = inside && !taken.some((other) => overlap(other, rectangle))
      if (free) taken.push(rectangle)
      box.classList.toggle("beyond", !free)
      move(box, left, top)
    }
  }
}
