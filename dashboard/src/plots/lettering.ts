/** Text and coloured boxes of the page around a drawing as SVG: legends, table cells, bars that are no SVG themselves. */

export const SVG = "http" + "://www.w3.org/2000/svg"; // a name, not an address

/** What is there to be used and not to be read, and what only a voice says. */
const LEFT_OUT = "button, select, input, textarea, summary, svg, canvas, [role=tooltip], .visually-hidden, [aria-hidden=true] i";

/** The boxes first, then the texts on them, at their places in the frame. */
export function lettering(container: HTMLElement, frame: DOMRect): SVGElement[] {
  const boxes: SVGElement[] = [];
  const texts: SVGElement[] = [];
  const walker = document.createTreeWalker(container, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Element && node.matches(LEFT_OUT) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node instanceof HTMLElement) boxes.push(...boxOf(node, frame));
    else if (node instanceof Text) texts.push(...linesOf(node, frame));
  }
  return [...boxes, ...texts];
}

function make(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  return element;
}

function boxOf(element: HTMLElement, frame: DOMRect): SVGElement[] {
  const { backgroundColor, borderTopLeftRadius } = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0 || /^rgba\(.*, 0\)$|^transparent$/.test(backgroundColor)) return [];
  return [make("rect", { x: box.left - frame.left, y: box.top - frame.top, width: box.width, height: box.height, rx: Number.parseFloat(borderTopLeftRadius) || 0, fill: backgroundColor })];
}

/** A text element for each line that the text is broken into. */
function linesOf(node: Text, frame: DOMRect): SVGElement[] {
  const words = [...node.data.matchAll(/\S+/g)];
  if (words.length === 0 || node.parentElement === null) return [];
  const { color, fontFamily, fontSize, fontWeight } = getComputedStyle(node.parentElement);
  const range = document.createRange();
  const lines: { readonly left: number; readonly top: number; readonly height: number; text: string }[] = [];
  for (const word of words) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const { left, top, width, height } = range.getBoundingClientRect();
    if (width === 0) continue;
    const line = lines.at(-1);
    if (line !== undefined && Math.abs(line.top - top) < height / 2) line.text += ` ${word[0]}`;
    else lines.push({ left, top, height, text: word[0] });
  }
  return lines.map((line) => {
    const text = make("text", {
      x: line.left - frame.left,
      y: line.top - frame.top + line.height / 2 + 0.36 * Number.parseFloat(fontSize), // half the height of capitals below the middle
      fill: color,
      "font-family": fontFamily,
      "font-size": fontSize,
      "font-weight": fontWeight,
    });
    text.textContent = line.text;
    return text;
  });
}
