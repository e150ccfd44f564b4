import { expect, test } from "vitest";
import { credentialOf } from "./credential";

test("a token as it is, and out of the printed address", () => {
  expect(credentialOf("  abc-DEF_1 \n")).toBe("abc-DEF_1");
  expect(credentialOf("http" + "://127.0.0.1:8000/?token=abc-DEF_1")).toBe("abc-DEF_1");
  expect(credentialOf("127.0.0.1:8000/jobs?x=1&token=a%2Bb#main")).toBe("a+b");
  expect(credentialOf("x?token=%E0%A4%A")).toBe("%E0%A4%A");
  expect(credentialOf("")).toBe("");
});
