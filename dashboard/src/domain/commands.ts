/** The same step on the command line. */

export interface DesignContext {
  readonly model: string;
  readonly device: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** A word as a POSIX shell takes it literally. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function target(context: DesignContext): string {
  return [
    `--model ${shellWord(context.model)} --device ${shellWord(context.device)}`,
    `--prompt-tokens ${context.promptTokens} --output-tokens ${context.outputTokens}`,
  ].join(" ");
}

export function designCommands(designFile: string, folder: string, context: DesignContext): string[] {
  const design = `--design ${shellWord(designFile)}`;
  return [
    `flexdse evaluate ${design} ${target(context)}`,
    `flexdse generate ${design} ${target(context)} --out ${shellWord(folder)}`,
    `flexdse csim ${shellWord(folder)}`,
  ];
}

export interface ExploreContext extends DesignContext {
  readonly objectives: readonly string[];
  readonly method: string;
  readonly budget: number;
  readonly seed: number;
  readonly constraints: readonly string[];
  /** Name of the file with the changes to the space; null where there are none. */
  readonly spaceFile: string | null;
  readonly epsilon: number;
  readonly floorplan: boolean;
}

export function exploreCommand(context: ExploreContext): string {
  const options = [
    ...context.constraints.map((text) => `--constraint ${shellWord(text)}`),
    ...(context.spaceFile === null ? [] : [`--space ${shellWord(context.spaceFile)}`]),
    ...(context.epsilon === 0 ? [] : [`--epsilon ${context.epsilon}`]),
    ...(context.floorplan ? [] : ["--no-floorplan"]),
    `--method ${shellWord(context.method)}`,
    ...(context.method === "exact" ? [] : [`--budget ${context.budget}`]),
    `--seed ${context.seed}`,
  ];
  return `flexdse explore ${target(context)} --objectives ${shellWord(context.objectives.join(","))} ${options.join(" ")}`;
}
