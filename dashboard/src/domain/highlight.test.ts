import { expect, test } from "vitest";
import { languageOf, tokens } from "./highlight";

const SOURCE = `#include <ap_int.h> // wide
/* a "comment" */
template <int N> static void run(const char *s) {
  s = "int // no comment \\"";
  x1 = 0x1F + 1.5e-3f + y[7]; // int
}
`;

test("nothing is lost and nothing is added", () => {
  for (const language of ["cpp", "python", "config", "json", "text"] as const) {
    expect(tokens(SOURCE, language).map((token) => token.text).join("")).toBe(SOURCE);
  }
});

test("C++ is cut into what it is made of", () => {
  const of = (kind: string): string[] => tokens(SOURCE, "cpp").filter((token) => token.kind === kind).map((token) => token.text);
  expect(of("comment")).toEqual(['/* a "comment" */', "// int"]);
  expect(of("directive")).toEqual(["#include <ap_int.h> // wide"]);
  expect(of("string")).toEqual(['"int // no comment \\""']);
  expect(of("number")).toEqual(["0x1F", "1.5e-3f", "7"]);
  expect(of("keyword")).toEqual(["template", "int", "static", "void", "const", "char"]);
});

test("an unfinished comment ends with the file", () => {
  expect(tokens("int /* x", "cpp").at(-1)).toEqual({ kind: "comment", text: "/* x" });
});

test("the language is known by the name of the file", () => {
  expect(["a/b.hpp", "x.py", "link.cfg", "Makefile", "manifest.json", "README"].map(languageOf)).toEqual(["cpp", "python", "config", "config", "json", "text"]);
});
