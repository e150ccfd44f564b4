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
}

export function exploreCommand(context: ExploreContext): string {
  const budget = context.method === "exact" ? "" : ` --budget ${context.budget}`;
  return (
    `flexdse explore ${target(context)} --objectives ${shellWord(context.objectives.join(","))}` +
    ` --method ${shellWord(context.method)}${budget} --seed ${context.seed}`
  );
}
