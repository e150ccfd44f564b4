/** A chart as a picture of its own: what the page draws, its legends and tables included, with its colours and without the page. */
import { lettering, SVG } from "./lettering";

/** What the style sheet gives to a mark, written into the mark itself. */
const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "stroke-linejoin",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "paint-order",
  "text-anchor",
  "shape-rendering",
] as const;

export interface ChartImage {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

/** Above the drawing for its title, below it for what it is of. */
const HEAD = 30;
const FOOT = 24;

/** `container` with all that is drawn in it, at the place that it has on the page, under its title and above `caption`. */
export function chartImage(container: HTMLElement, title: string, caption: string): ChartImage {
  const box = container.getBoundingClientRect();
  const frame = new DOMRect(box.left, box.top - HEAD, box.width, box.height + HEAD + FOOT);
  const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height)];
  const root = document.createElementNS(SVG, "svg");
  const attributes: Readonly<Record<string, string | number>> = { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` };
  for (const [name, value] of Object.entries(attributes)) root.setAttribute(name, String(value));
  const label = document.createElementNS(SVG, "title");
  label.textContent = title;
  const ground = document.createElementNS(SVG, "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", getComputedStyle(container).getPropertyValue("--panel"));
  root.append(label, ground);
  const styles = getComputedStyle(container);
  const line = (text: string, y: number, colour: string, weight: number, size: number): void => {
    const element = document.createElementNS(SVG, "text");
    const attributes = { x: 14, y, fill: styles.getPropertyValue(colour), "font-family": styles.fontFamily, "font-size": size, "font-weight": weight };
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    element.textContent = text;
    root.append(element);
  };
  line(title, 20, "--text", 650, 13);
  line(caption, height - 9, "--muted", 400, 11);
  for (const element of lettering(container, frame)) root.append(element);
  for (const drawing of container.querySelectorAll<SVGSVGElement | HTMLCanvasElement>("svg, canvas")) {
    if (drawing.parentElement?.closest("svg") != null) continue;
    const box = drawing.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) continue;
    const part = drawing instanceof HTMLCanvasElement ? imageOf(drawing) : styledCopy(drawing);
    const place = { x: box.left - frame.left, y: box.top - frame.top, width: box.width, height: box.height };
    for (const [name, value] of Object.entries(place)) part.setAttribute(name, String(value));
    root.append(part);
  }
  return { svg: new XMLSerializer().serializeToString(root), width, height };
}

function imageOf(canvas: HTMLCanvasElement): SVGElement {
  const image = document.createElementNS(SVG, "image") as SVGElement;
  image.setAttribute("href", canvas.toDataURL("image/png"));
  return image;
}

function styledCopy(drawing: SVGSVGElement): SVGElement {
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  const originals = [drawing, ...drawing.querySelectorAll<SVGElement>("*")];
  const copies = [copy, ...copy.querySelectorAll<SVGElement>("*")];
  originals.forEach((original, i) => {
    const styles = getComputedStyle(original);
    for (const name of STYLES) copies[i]!.style.setProperty(name, styles.getPropertyValue(name));
    copies[i]!.removeAttribute("class");
  });
  return copy;
}

/** Twice the size on the page, so that it stays sharp in print. */
const SCALE = 2;

export async function pngOf(chart: ChartImage): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([chart.svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [chart.width * SCALE, chart.height * SCALE];
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("this browser has no canvas to draw the picture on");
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise<Blob>((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error("the picture is too large")) : resolve(blob)), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
