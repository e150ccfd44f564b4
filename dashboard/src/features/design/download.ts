/** A document as a file of the user. */
export function downloadJson(name: string, value: unknown): void {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(value, null, 2)}\n`], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the data over by the next turn; later is safe for slow disks.
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
