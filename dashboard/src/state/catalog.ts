/** Devices and models that the server offers; they change only with a release, so one load is enough. */
import { listDevices, listModels } from "../api/catalog";
import { resource } from "./resource";

export const devices = resource(listDevices);
export const models = resource(listModels);

export async function loadCatalog(): Promise<void> {
  await Promise.all([devices, models].filter((r) => r.state.value.data === null).map((r) => r.load()));
}
