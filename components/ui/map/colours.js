// The colours and shapes of points.

// From nothing to everything, on light and on dark: as grey tones they go one way too.
const RAMPS = [
  ["#cfd8e3", "#9db8d9", "#7d7cc4", "#9b2f86", "#6b0339"],
  ["#2b3a4d", "#3f5f96", "#8a5fc0", "#f0719a", "#ffe08a"],
]
const COLOURS = [
  "#3b82c4", "#e8743b", "#2f9e6e", "#c2457f", "#8a63d2", "#b8860b",
  "#159aa5", "#d64545", "#6b8e23", "#b56ac0", "#8c6d5a", "#5a78e0",
]
const SHAPES = 4 // that a point may have: circle, square, diamond, triangle
const NONE = 65535 // the number of an image that is in no part
const FAINT = { light: "#9aa7b5", dark: "#5d6b7c" } // of images in no part

const shapeOf = (number) => Math.floor(number / COLOURS.length) % SHAPES

function rgb(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}

// 256 colours from the first to the last of some.
function shades(ramp) {
  const stops = ramp.map(rgb)
  return Array.from({ length: 256 }, (_, number) => {
    const place = (number / 255) * (stops.length - 1)
    const at = Math.min(Math.floor(place), stops.length - 2)
    return stops[at].map((from, band) => from + (stops[at + 1][band] - from) * (place - at))
  })
}

function luminance(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).map(Number)
  return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
}

// Returns the look of an image by its number: a colour between the ends of a scale.
function scaleLook({ low, high }, dark) {
  const ramp = shades(RAMPS[Number(dark)])
  return (number) => {
    const share = clamp((number / 32767 - 1 - low) / (high - low), 0, 1)
    const size = Math.round(13 + 11 * share)
    return { rgb: ramp[Math.round(share * 255)], shape: 0, size, strength: share }
  }
}

// Returns the look of an image by its number: the colour and shape of its part.
function partLook({ looks }, dark) {
  const faint = rgb(dark ? FAINT.dark : FAINT.light)
  const colours = COLOURS.map(rgb)
  const rest = { rgb: faint, shape: 0, size: 12, strength: 0 }
  return (number) => {
    if (number === NONE) return rest
    const look = looks[number] ?? number
    return { rgb: colours[look % colours.length], shape: shapeOf(look), size: 16, strength: 1 }
  }
}
