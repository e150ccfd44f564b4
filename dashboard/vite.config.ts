import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => {
  // `npm run dev` reloads the page at every change; its API is a `flexdse serve` on this port.
  const port = loadEnv(mode, ".", "FLEXDSE_")["FLEXDSE_PORT"] ?? "8000";
  return {
    server: { proxy: { "/api": `http://127.0.0.1:${port}` } },
    build: {
      target: "es2022",
      // Everything is a file of our own origin: the page works under `default-src 'self'`.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // The licences of the packages whose code is in the bundle go out with it.
      license: { fileName: "licenses.md" },
    },
    test: { include: ["src/**/*.test.ts"], environment: "node", testTimeout: 120_000 },
  };
});
