/** The files of a project, and one of them with its parts in colour. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { listFiles, type ProjectFile, readFile } from "../../api/projects";
import { languageOf, tokens } from "../../domain/highlight";
import { formatQuantity } from "../../domain/units";
import { resource } from "../../state/resource";
import { CopyButton, Failure, Panel, Skeleton } from "../../ui/basics";
import css from "./project.module.css";

/** Colouring a larger file would hold the page up; it is shown plain. */
const MOST_COLOURED = 400_000;
const FIRST = [/^src\/.*\.cpp$/, /\.cpp$/, /\.hpp$/];

export function FilesPanel({ project }: { readonly project: string }): JSX.Element {
  const files = useMemo(() => resource(() => listFiles(project)), [project]);
  const [chosen, setChosen] = useState<string | null>(null);
  useEffect(() => void files.load(), [files]);
  const { data, error } = files.state.value;
  if (data === null) {
    return <Panel title="Generated files">{error !== null ? <Failure error={error} retry={() => void files.load()} /> : <Skeleton label="Loading the files" lines={5} />}</Panel>;
  }
  const path = chosen ?? firstFile(data);
  return (
    <Panel title="Generated files" note={`${data.length} files`} flush>
      <div class={css.files}>
        <ul class={css.fileList} aria-label="Files" tabIndex={0}>
          {data.map((file) => (
            <li key={file.path}>
              <button type="button" aria-current={file.path === path} onClick={() => setChosen(file.path)}>
                <span>{file.path}</span>
                <small>{formatQuantity(file.size_bytes, "B")}</small>
              </button>
            </li>
          ))}
        </ul>
        {path !== null && <FileView key={path} project={project} path={path} />}
      </div>
    </Panel>
  );
}

function firstFile(files: readonly ProjectFile[]): string | null {
  for (const pattern of FIRST) {
    const found = files.find((file) => pattern.test(file.path));
    if (found !== undefined) return found.path;
  }
  return files[0]?.path ?? null;
}

function FileView({ project, path }: { readonly project: string; readonly path: string }): JSX.Element {
  const file = useMemo(() => resource(() => readFile(project, path)), [project, path]);
  useEffect(() => void file.load(), [file]);
  const { data, error } = file.state.value;
  const pieces = useMemo(() => (data === null ? [] : tokens(data, data.length > MOST_COLOURED ? "text" : languageOf(path))), [data, path]);
  if (error !== null) return <Failure error={error} retry={() => void file.load()} />;
  if (data === null) return <Skeleton label={`Loading ${path}`} lines={12} />;
  return (
    <figure class={css.file}>
      <figcaption>
        <code>{path}</code>
        <CopyButton text={data} label={`Copy ${path}`} />
      </figcaption>
      <pre tabIndex={0} aria-label={path}>
        <code>
          {pieces.map((piece, i) => (piece.kind === "plain" ? piece.text : <span key={i} data-token={piece.kind}>{piece.text}</span>))}
        </code>
      </pre>
    </figure>
  );
}
