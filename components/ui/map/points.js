// Draws points: in WebGL, or in a plain canvas where the browser has none.

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
attribute vec2 form; // the number of the shape; the size in sixteenths
uniform vec2 middle, scale;
uniform float size;
varying vec4 tint;
varying float shape, pixels;
void main() {
  gl_Position = vec4((place - middle) * scale, 0.0, 1.0);
  gl_PointSize = pixels = max(size * form.y / 16.0, 2.0);
  tint = colour;
  shape = form.x;
}`
const FRAGMENT = `
precision mediump float;
varying vec4 tint;
varying float shape, pixels;
void main() {
  vec2 at = 2.0 * gl_PointCoord - 1.0;
  float away = length(at);
  if (shape > 2.5) away = max(at.y, abs(at.x) * 0.87 - at.y * 0.5) / 0.62; // a triangle
  else if (shape > 1.5) away = abs(at.x) + abs(at.y); // a diamond
  else if (shape > 0.5) away = max(abs(at.x), abs(at.y)) / 0.85; // a square
  float alpha = tint.a * (1.0 - smoothstep(1.0 - 2.0 / pixels, 1.0, away));
  gl_FragColor = vec4(tint.rgb * alpha, alpha);
}`

class Points {
  // Returns what draws on a canvas; ``flat`` is true where the browser has no WebGL.
  static on(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true })
    return gl ? new Points(gl) : new FlatPoints(canvas.getContext("2d"))
  }

  constructor(gl) {
    this.gl = gl
    const program = gl.createProgram()
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind)
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    gl.linkProgram(program)
    gl.useProgram(program)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    this.uniform = (name) => gl.getUniformLocation(program, name)
    this.attribute = (name) => gl.getAttribLocation(program, name)
    this.buffers = new Map()
    this.count = 0
  }

  // Takes (n, 2) places, n RGBA colours, n pairs of shape and size, and n numbers in drawing order.
  set(places, colours, forms, order) {
    const { gl } = this
    this.fill("place", places, 2, gl.FLOAT, false)
    this.fill("colour", colours, 4, gl.UNSIGNED_BYTE, true)
    this.fill("form", forms, 2, gl.UNSIGNED_BYTE, false)
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffer("order"))
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW)
    this.count = order.length
  }

  fill(name, values, width, type, normalised) {
    const { gl } = this
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer(name))
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW)
    gl.enableVertexAttribArray(this.attribute(name))
    gl.vertexAttribPointer(this.attribute(name), width, type, normalised, 0, 0)
  }

  buffer(name) {
    if (!this.buffers.has(name)) this.buffers.set(name, this.gl.createBuffer())
    return this.buffers.get(name)
  }

  // Draws with ``scale`` pixels to a unit round the point (x, y); ``size``: a point's in pixels.
  draw({ x, y, scale }, size) {
    const { gl } = this
    const { width, height } = gl.canvas
    gl.viewport(0, 0, width, height)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.uniform2f(this.uniform("middle"), x, y)
    gl.uniform2f(this.uniform("scale"), (2 * scale) / width, (2 * scale) / height)
    gl.uniform1f(this.uniform("size"), size)
    if (this.count) gl.drawElements(gl.POINTS, this.count, gl.UNSIGNED_INT, 0)
  }
}

class FlatPoints {
  flat = true

  constructor(context) {
    this.context = context
    this.order = []
  }

  set(places, colours, forms, order) {
    Object.assign(this, { places, colours, forms, order })
  }

  draw({ x, y, scale }, size) {
    const { context, places, colours, forms } = this
    const { width, height } = context.canvas
    context.clearRect(0, 0, width, height)
    for (const row of this.order) {
      const [red, green, blue, alpha] = colours.subarray(4 * row, 4 * row + 4)
      const side = Math.max((size * forms[2 * row + 1]) / 16, 2)
      const left = width / 2 + (places[2 * row] - x) * scale - side / 2
      const top = height / 2 - (places[2 * row + 1] - y) * scale - side / 2
      context.fillStyle = `rgb(${red} ${green} ${blue} / ${alpha / 255})`
      context.fillRect(left, top, side, side)
    }
  }
}
