/** Where a long piece of work stands. */
export interface Progress {
  readonly stage: "pull" | "normalize" | "identity" | "join" | "load" | "parity";
  readonly source?: string;
  readonly collection?: string;
  readonly pages?: number;
  readonly records?: number;
}

export type OnProgress = (progress: Progress) => void;
