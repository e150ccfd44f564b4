/** Draws a cloud with WebGL 2: one vertex a point, colours from a palette in a texture. */
import { type CloudPainter, type CloudStyle, type Rgb } from "./painter";
import type { CloudPoints } from "./points";
import type { Window } from "./window";

const VERTEX = `#version 300 es
in float x;
in float y;
in uint tone;
in uint flags;
uniform vec4 window;
uniform float size;
uniform bool hasSelection;
uniform vec3 missing;
uniform vec3 infeasible;
uniform vec3 faded;
uniform sampler2D palette;
out vec3 colour;
void main() {
  bool isFeasible = (flags & 1u) == 0u;
  bool isSelected = (flags & 2u) != 0u;
  vec3 own = tone == 255u ? missing : texelFetch(palette, ivec2(int(tone), 0), 0).rgb;
  colour = isFeasible ? own : infeasible;
  if (hasSelection && !isSelected) colour = isFeasible ? faded : mix(infeasible, faded, 0.7);
  float rank = (hasSelection && isSelected ? 2.0 : 0.0) + (isFeasible ? 1.0 : 0.0);
  vec2 place = (vec2(x, y) - window.xy) / (window.zw - window.xy);
  gl_Position = vec4(place * 2.0 - 1.0, 0.8 - rank * 0.4, 1.0);
  gl_PointSize = hasSelection && isSelected ? size + 1.0 : size;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 colour;
out vec4 pixel;
void main() { pixel = vec4(colour, 1.0); }`;

/** Null where the browser has no WebGL 2. */
export function glPainter(canvas: HTMLCanvasElement): CloudPainter | null {
  const gl = canvas.getContext("webgl2", { antialias: false, depth: true, preserveDrawingBuffer: true, powerPreference: "high-performance" });
  return gl === null ? null : new GlPainter(gl);
}

class GlPainter implements CloudPainter {
  readonly kind = "webgl";
  private readonly gl: WebGL2RenderingContext;
  private readonly program: WebGLProgram;
  private readonly buffers: Readonly<Record<"x" | "y" | "tone" | "flags", WebGLBuffer>>;
  private readonly uniforms: Readonly<Record<string, WebGLUniformLocation | null>>;
  private readonly palette: WebGLTexture;
  private fence: WebGLSync | null = null;

  constructor(gl: WebGL2RenderingContext) {
    this.gl = gl;
    this.program = linked(gl);
    gl.useProgram(this.program);
    const buffer = (name: string, isInteger: boolean): WebGLBuffer => {
      const created = gl.createBuffer();
      const place = gl.getAttribLocation(this.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, created);
      gl.enableVertexAttribArray(place);
      if (isInteger) gl.vertexAttribIPointer(place, 1, gl.UNSIGNED_BYTE, 0, 0);
      else gl.vertexAttribPointer(place, 1, gl.FLOAT, false, 0, 0);
      return created;
    };
    this.buffers = { x: buffer("x", false), y: buffer("y", false), tone: buffer("tone", true), flags: buffer("flags", true) };
    this.uniforms = Object.fromEntries(
      ["window", "size", "hasSelection", "missing", "infeasible", "faded"].map((name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    this.palette = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.clearColor(0, 0, 0, 0);
  }

  setPoints(points: CloudPoints): void {
    this.upload(this.buffers.x, points.x);
    this.upload(this.buffers.y, points.y);
  }

  setTones(tones: Uint8Array): void {
    this.upload(this.buffers.tone, tones);
  }

  setFlags(flags: Uint8Array): void {
    this.upload(this.buffers.flags, flags);
  }

  setStyle(style: CloudStyle): void {
    const { gl } = this;
    const texels = new Uint8Array(256 * 4).fill(255);
    style.palette.forEach((rgb, i) => texels.set(rgb, i * 4));
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
    gl.uniform1f(this.uniforms["size"]!, style.size);
    gl.uniform1i(this.uniforms["hasSelection"]!, style.hasSelection ? 1 : 0);
    const colour = (name: string, rgb: Rgb): void => gl.uniform3f(this.uniforms[name]!, rgb[0] / 255, rgb[1] / 255, rgb[2] / 255);
    colour("missing", style.missing);
    colour("infeasible", style.infeasible);
    colour("faded", style.faded);
  }

  resize(width: number, height: number): void {
    const { canvas } = this.gl;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    this.gl.viewport(0, 0, width, height);
  }

  draw(window: Window, from: number, to: number, clear: boolean): void {
    const { gl } = this;
    gl.uniform4f(this.uniforms["window"]!, window.x0, window.y0, window.x1, window.y1);
    if (clear) gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (to > from) gl.drawArrays(gl.POINTS, from, to - from);
    if (this.fence !== null) gl.deleteSync(this.fence);
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
  }

  isIdle(): boolean {
    const { gl } = this;
    return this.fence === null || gl.isContextLost() || gl.getSyncParameter(this.fence, gl.SYNC_STATUS) === gl.SIGNALED;
  }

  dispose(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private upload(buffer: WebGLBuffer, data: Float32Array | Uint8Array): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  }
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.isContextLost() && gl.getProgramParameter(program, gl.LINK_STATUS) !== true) {
    throw new Error(`the point shader does not link: ${gl.getProgramInfoLog(program) ?? ""}`);
  }
  return program;
}
