// Elements, and where they and points are.

function element(tag, className = "", text = "") {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text) made.textContent = text
  return made
}

function move(box, left, top) {
  box.style.transform = `translate(${left}px, ${top}px) translate(-50%, -50%)`
}

// Where an element is in the map.
function rectangleOf({ offsetLeft: left, offsetTop: top, offsetWidth: width, offsetHeight: height }) {
  return [left, top, left + width, top + height]
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}

// Whether a row's bit is set; everything is in a set that is not given.
function has(set, row) {
  return !set || ((set[row >> 3] >> (row & 7)) & 1) === 1
}

// The middle and half the width and height of nearly all points: a few may be far away.
function extent(places) {
  const span = (from) => {
    const numbers = places.filter((_, at) => at % 2 === from).sort()
    const edge = Math.floor(numbers.length / 500)
    return [numbers[edge] ?? 0, numbers[numbers.length - 1 - edge] ?? 0]
  }
  const [[left, right], [bottom, top]] = [span(0), span(1)]
  return {
    x: (left + right) / 2,
    y: (bottom + top) / 2,
    width: Math.max((right - left) / 2, 0.1),
    height: Math.max((top - bottom) / 2, 0.1),
  }
}

function box([left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]]
}

const clamp = (number, low, high) => Math.min(Math.max(number, low), high)
const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d)
const halfway = ([a, b], [c, d]) => [(a + c) / 2, (b + d) / 2]
const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
