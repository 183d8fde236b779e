// The photo grid: see grid.py for the data. Untrusted text goes in by textContent or an attribute.

const views = new WeakMap() // one for each place that Streamlit mounts the grid at

export default function (component) {
  const { parentElement: parent } = component
  if (!views.has(parent)) views.set(parent, new View(parent.querySelector(".root")))
  const view = views.get(parent)
  view.draw(component)
  return () => {
    view.close()
    views.delete(parent)
  }
}

class View {
  tiles = new Map() // by key: a tile is kept between runs, so that its picture never flickers
  last = null // the last tile that was focused or chosen
  returnTo = null // the tile whose large view is open

  constructor(root) {
    this.root = root
    this.resized = new ResizeObserver(() => this.fit())
    this.resized.observe(root)
    this.dialogs = new MutationObserver(() => this.focusAgain())
    this.dialogs.observe(document.body, { childList: true, subtree: true })
    root.addEventListener("keydown", (event) => this.move(event))
  }

  close() {
    this.resized.disconnect()
    this.dialogs.disconnect()
  }

  draw({ data, setTriggerValue, setStateValue }) {
    this.data = data
    this.trigger = setTriggerValue
    this.state = setStateValue
    this.selected = this.selection(data)
    const focused = this.root.getRootNode().activeElement?.closest(".tile")
    // On a phone a row is lower: two images and more fit side by side.
    this.root.style.setProperty("--row", `min(${data.height}px, ${data.height / 5}vw)`)
    this.root.classList.toggle("names", data.names)
    const kept = new Map()
    this.root.replaceChildren(...data.groups.map((group) => this.group(group, kept)))
    this.tiles = kept
    this.showSelected()
    this.rove(this.order().find((tile) => tile === focused) ?? this.order()[0])
    if (focused?.isConnected) focused.querySelector("button").focus({ preventScroll: true })
    this.fit()
    const density = Math.ceil(2 * window.devicePixelRatio) / 2
    if (density > 1 && density !== data.density) setStateValue("density", density)
  }

  // A run that began before the last click has an older selection: the one in the page counts.
  selection({ selectable, selected, cleared }) {
    if (!selectable) return new Set(selected)
    const before = this.cleared
    this.cleared = cleared
    if (before === undefined) return new Set(selected)
    if (before === cleared) return this.selected
    if (this.selected.size) this.state("selected", []) // else the next run would select them again
    return new Set()
  }

  group(group, kept) {
    const section = element("section")
    if (group.title) {
      const heading = element("div", "heading")
      heading.append(element("h2", "", group.title))
      if (group.more) {
        const more = element("button", "more", group.more)
        more.setAttribute("aria-label", `${group.more}: ${group.title}`)
        more.onclick = () => this.trigger("more", group.key)
        heading.append(more)
      }
      section.append(heading)
    }
    if (group.notice) section.append(element("p", "notice", group.notice))
    const list = element("ul", group.one_row ? "row one" : "row")
    list.setAttribute("aria-label", group.title || "Images")
    for (const tile of group.tiles) {
      const key = JSON.stringify([group.key, tile.id])
      const item = this.tiles.get(key) ?? this.create(tile.id, group.key)
      this.update(item, tile)
      kept.set(key, item)
      list.append(item)
    }
    section.append(list)
    return section
  }

  create(id, group) {
    const item = element("li", "tile")
    item.dataset.id = id
    const open = element("button", "open")
    const image = element("img")
    image.loading = "lazy"
    image.decoding = "async"
    open.append(image, element("span", "rank"), element("span", "score"), element("span", "detail"))
    open.onclick = () => {
      this.returnTo = item
      this.trigger("opened", { id, group })
    }
    open.onfocus = () => this.rove(item)
    const pick = element("input", "pick")
    pick.type = "checkbox"
    pick.onclick = (event) => this.pick(item, pick.checked, event.shiftKey)
    item.append(open, pick, element("div", "below"))
    return item
  }

  update(item, tile) {
    const picture = this.data.pictures[tile.id]
    const ratio = Math.min(Math.max(picture.width / picture.height, 0.6), 2.4)
    item.style.setProperty("--ratio", ratio)
    item.classList.remove("beyond") // a tile of a single row may now be one of many rows
    item.classList.toggle("best", Boolean(tile.best))
    item.classList.toggle("marked", Boolean(tile.mark))
    item.classList.toggle("with-lines", tile.lines.length > 0)
    const image = item.querySelector("img")
    if (image.getAttribute("src") !== picture.src) image.src = picture.src
    image.alt = picture.alt
    const best = tile.best ? "Best match" : ""
    const place = [tile.rank || "", best, tile.mark]
    item.querySelector(".rank").textContent = place.filter(Boolean).join(" · ")
    const score = item.querySelector(".score")
    score.replaceChildren()
    if (tile.score) score.append(element("strong", "", tile.score))
    if (tile.band) score.append(mark(tile.band), element("span", "", tile.band))
    item.querySelector(".detail").textContent = [picture.name, tile.detail]
      .filter(Boolean)
      .join(" · ")
    const rank = tile.rank ? `Rank ${tile.rank} of ${tile.of}` : ""
    const spoken = [rank, picture.name, tile.mark, tile.score, tile.band, tile.detail, picture.alt]
    const label = spoken.filter(Boolean).join(", ")
    item.querySelector(".open").setAttribute("aria-label", label)
    const pick = item.querySelector(".pick")
    pick.hidden = !this.data.selectable
    pick.setAttribute("aria-label", `Select ${picture.name}`)
    this.below(item.querySelector(".below"), tile, picture)
  }

  below(place, tile, picture) {
    place.replaceChildren()
    if (this.data.names) place.append(element("div", "name", picture.name))
    for (const line of tile.lines) {
      const row = element("div", "line")
      row.classList.toggle("whole", line.whole)
      row.classList.toggle("muted", line.muted)
      if (line.band) row.append(mark(line.band))
      if (line.score) row.append(element("strong", "", line.score))
      row.append(element("span", "", line.text))
      row.title = [line.text, line.score, line.band].filter(Boolean).join(", ")
      place.append(row)
    }
    if (tile.credit) {
      const credit = element("div", "credit")
      for (const part of tile.credit) credit.append(part.url ? link(part) : part.text)
      place.append(credit)
    }
  }

  // A row that shows one line of tiles hides the rest from the keyboard and from screen readers.
  fit() {
    for (const row of this.root.querySelectorAll(".row.one")) {
      const first = top(row.firstElementChild)
      for (const tile of row.children) tile.classList.toggle("beyond", top(tile) > first + 4)
    }
  }

  order() {
    return [...this.root.querySelectorAll(".tile:not(.beyond)")]
  }

  // One tile of the grid is a tab stop; arrow keys move between tiles.
  rove(active) {
    if (!active) return
    for (const tile of this.tiles.values()) {
      const index = tile === active ? 0 : -1
      tile.querySelector(".open").tabIndex = index
      tile.querySelector(".pick").tabIndex = index
    }
  }

  move(event) {
    const tile = event.target.closest(".tile")
    if (!tile || event.altKey || event.ctrlKey || event.metaKey) return
    const tiles = this.order()
    const at = tiles.indexOf(tile)
    const target = {
      ArrowRight: () => tiles[at + 1],
      ArrowLeft: () => tiles[at - 1],
      ArrowDown: () => nearest(tile, tiles.slice(at + 1), 1),
      ArrowUp: () => nearest(tile, tiles.slice(0, at).reverse(), -1),
      Home: () => tiles[0],
      End: () => tiles[tiles.length - 1],
    }[event.key]?.()
    if (!target) return
    event.preventDefault()
    event.stopPropagation()
    target.querySelector(".open").focus()
    target.scrollIntoView({ block: "nearest" })
  }

  pick(item, chosen, range) {
    const tiles = this.order()
    const from = range && this.last?.isConnected ? tiles.indexOf(this.last) : -1
    const to = tiles.indexOf(item)
    const span = from < 0 ? [item] : tiles.slice(Math.min(from, to), Math.max(from, to) + 1)
    for (const tile of span) this.selected[chosen ? "add" : "delete"](tile.dataset.id)
    this.last = item
    this.showSelected()
    this.state("selected", [...this.selected])
  }

  showSelected() {
    this.root.classList.toggle("choosing", this.selected.size > 0)
    for (const tile of this.tiles.values()) {
      const chosen = this.selected.has(tile.dataset.id)
      tile.classList.toggle("chosen", chosen)
      tile.querySelector(".pick").checked = chosen
    }
  }

  // Focus returns to the tile when its large view has closed.
  focusAgain() {
    if (!this.returnTo) return
    const open = document.querySelector("[role=dialog]")
    if (open) this.seen = true
    else if (this.seen) {
      if (this.returnTo.isConnected) this.returnTo.querySelector(".open").focus()
      this.returnTo = null
      this.seen = false
    }
  }
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text) made.textContent = text
  return made
}

function link({ text, url }) {
  const made = element("a", "", text)
  if (/^https?:\/\//.test(url)) made.href = url
  made.target = "_blank"
  made.rel = "noopener noreferrer"
  return made
}

// A band's shape, so that it does not depend on colour: circles that fill up.
function mark(band) {
  const made = element("span", `mark ${band.replace(" ", "-")}`)
  made.setAttribute("aria-hidden", "true")
  return made
}

// The tile of the next line of tiles whose middle is nearest, among tiles in the order of search.
function nearest(tile, others, way) {
  const line = others.find((each) => way * (top(each) - top(tile)) > 4)
  const same = others.filter((each) => line && Math.abs(top(each) - top(line)) < 4)
  const away = (each) => Math.abs(middle(each) - middle(tile))
  return same.sort((a, b) => away(a) - away(b))[0]
}

const top = (each) => each?.getBoundingClientRect().top ?? 0

function middle(each) {
  const { left, right } = each.getBoundingClientRect()
  return (left + right) / 2
}
