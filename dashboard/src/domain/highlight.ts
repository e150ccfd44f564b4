/** Source text cut into pieces by what they are: for the eye, not for a compiler. */

export type TokenKind = "comment" | "string" | "keyword" | "number" | "directive" | "plain";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

export type Language = "cpp" | "python" | "config" | "json" | "text";

const CPP_WORDS =
  "alignas auto bool break case char class const constexpr continue default do double else enum extern false float for if inline int long namespace nullptr operator private public return short signed sizeof static static_assert static_cast struct switch template this true typedef typename union unsigned using void volatile while";
const PYTHON_WORDS = "and as assert break class continue def del elif else except False finally for from if import in is lambda None not or pass raise return True try while with yield";
const WORDS: Readonly<Record<Language, string>> = { cpp: CPP_WORDS, python: PYTHON_WORDS, config: "", json: "true false null", text: "" };

const NUMBER = "0[xX][0-9a-fA-F]+|\\b\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?[uUlLfF]*";
const DOUBLE_QUOTED = '"(?:[^"\\\\\\n]|\\\\.)*"';
const SINGLE_QUOTED = "'(?:[^'\\\\\\n]|\\\\.)*'";

/** Alternatives in the order in which they are tried. */
const PARTS: Readonly<Record<Language, readonly (readonly [TokenKind, string])[]>> = {
  cpp: [
    ["comment", "//[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)"],
    ["directive", "^[ \\t]*#(?:[^\\n\\\\]|\\\\[\\s\\S])*"],
    ["string", `${DOUBLE_QUOTED}|${SINGLE_QUOTED}`],
    ["number", NUMBER],
  ],
  python: [
    ["comment", "#[^\\n]*"],
    ["string", `"""[\\s\\S]*?"""|${DOUBLE_QUOTED}|${SINGLE_QUOTED}`],
    ["number", NUMBER],
  ],
  config: [
    ["comment", "^[ \\t]*[#;][^\\n]*"],
    ["directive", "^\\[[^\\]\\n]*\\]"],
    ["string", DOUBLE_QUOTED],
    ["number", NUMBER],
  ],
  json: [
    ["string", DOUBLE_QUOTED],
    ["number", `-?(?:${NUMBER})`],
  ],
  text: [],
};

const BY_ENDING: Readonly<Record<string, Language>> = {
  cpp: "cpp", hpp: "cpp", h: "cpp", c: "cpp", cc: "cpp", py: "python", tcl: "config", cfg: "config", ini: "config", yaml: "config", yml: "config", json: "json",
};

export function languageOf(path: string): Language {
  if (/(^|\/)(Makefile|CMakeLists\.txt)$/.test(path)) return "config";
  return BY_ENDING[path.slice(path.lastIndexOf(".") + 1)] ?? "text";
}

export function tokens(source: string, language: Language): Token[] {
  const parts = PARTS[language];
  const words = WORDS[language];
  const alternatives = [...parts.map(([, pattern]) => `(${pattern})`), ...(words === "" ? [] : [`(\\b(?:${words.replaceAll(" ", "|")})\\b)`])];
  if (alternatives.length === 0) return source === "" ? [] : [{ kind: "plain", text: source }];
  const kinds: readonly TokenKind[] = [...parts.map(([kind]) => kind), "keyword"];
  const found: Token[] = [];
  let end = 0;
  for (const match of source.matchAll(new RegExp(alternatives.join("|"), "gm"))) {
    if (match[0] === "") continue;
    if (match.index > end) found.push({ kind: "plain", text: source.slice(end, match.index) });
    found.push({ kind: kinds[match.slice(1).findIndex((group) => group !== undefined)] ?? "plain", text: match[0] });
    end = match.index + match[0].length;
  }
  if (end < source.length) found.push({ kind: "plain", text: source.slice(end) });
  return found;
}
