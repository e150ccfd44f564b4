import "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { watchExplorations } from "./state/explorations";
import "./styles/tokens.css";
import "./styles/base.css";

watchExplorations();
render(<App />, document.getElementById("app")!);
