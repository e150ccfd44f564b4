/** The methods of search that the forms offer, with what each is for. */
import type { Method } from "../../domain/documents";

export const METHODS: readonly { readonly name: Method; readonly title: string; readonly text: string }[] = [
  { name: "exact", title: "Exact", text: "every legal design: proven" },
  { name: "stagewise", title: "Stage by stage", text: "evolution of each stage, fronts merged" },
  { name: "nsga2", title: "NSGA-II", text: "evolution within a budget" },
  { name: "nsga3", title: "NSGA-III", text: "evolution, for many objectives" },
  { name: "tpe", title: "TPE", text: "learns which parameters are good" },
  { name: "gp", title: "Gaussian process", text: "few evaluations; needs PyTorch on the server" },
  { name: "qmc", title: "Quasi-random", text: "samples that fill the space evenly" },
  { name: "random", title: "Random", text: "samples, as a yardstick" },
];
