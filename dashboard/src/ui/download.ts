/** Data of the page as a file of the user. */

export function downloadBlob(name: string, data: Blob): void {
  const url = URL.createObjectURL(data);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the data over by the next turn; later is safe for slow disks.
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function downloadText(name: string, type: string, text: string): void {
  downloadBlob(name, new Blob([text], { type }));
}

export function downloadJson(name: string, value: unknown): void {
  downloadText(name, "application/json", `${JSON.stringify(value, null, 2)}\n`);
}
