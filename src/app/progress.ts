import type { OnProgress, Progress } from "../pipeline/progress.ts";

/** Where progress is shown: stderr, or something like it. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** Long work that can be seen to move. `end` leaves the last state standing. */
export interface ProgressView {
  readonly show: OnProgress;
  readonly end: () => void;
}

const LINE_EVERY_MS = 1_000;
const BARS_EVERY_MS = 100;
const BAR_CELLS = 24;

/** Bars on a terminal; elsewhere a line, at most one each second. */
export const showProgress = (output: ProgressOutput = process.stderr): ProgressView =>
  output.isTTY === true ? new Bars(output) : linesOn(output);

function linesOn(output: ProgressOutput): ProgressView {
  let shownAtMs = 0;
  const show = (progress: Progress) => {
    const nowMs = Date.now();
    if (nowMs - shownAtMs < LINE_EVERY_MS) return;
    shownAtMs = nowMs;
    const counts = countsOf(progress);
    output.write(`${placeOf(progress)}${counts === "" ? "" : `: ${counts}`}\n`);
  };
  return { show, end: () => undefined };
}

/** A line for each place, drawn over and over; when there are more than the screen has room for, the ones that moved last. */
class Bars implements ProgressView {
  readonly #output: ProgressOutput;
  readonly #places = new Map<string, Progress>();
  #drawn = 0;
  #drawnAtMs = 0;

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  readonly show = (progress: Progress): void => {
    const place = placeOf(progress);
    // The place that moved goes last, so that those that are done scroll away first.
    if (!this.#places.has(place)) this.#drawnAtMs = 0;
    this.#places.delete(place);
    this.#places.set(place, progress);
    if (Date.now() - this.#drawnAtMs >= BARS_EVERY_MS) this.#draw();
  };

  readonly end = (): void => this.#draw();

  #draw(): void {
    this.#drawnAtMs = Date.now();
    const room = Math.max(1, (this.#output.rows ?? 24) - 2);
    const shown = [...this.#places].slice(-room).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const width = Math.max(0, ...shown.map(([place]) => place.length));
    const columns = Math.max(20, (this.#output.columns ?? 80) - 1);
    const lines = shown.map(([place, progress]) => lineOf(place.padEnd(width), progress).slice(0, columns));
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A`;
    this.#output.write(`${up}${lines.map(line => `\u001b[2K${line}\n`).join("")}`);
    this.#drawn = lines.length;
  }
}

function lineOf(place: string, progress: Progress): string {
  const { records = 0, total } = progress;
  if (total === undefined || total === 0) return `${place}  ${countsOf(progress)}`;
  const share = Math.min(1, records / total);
  const full = Math.round(share * BAR_CELLS);
  return `${place}  ${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)} ${String(Math.floor(share * 100)).padStart(3)} %  ${countsOf(progress)}`;
}

const placeOf = ({ stage, source, collection }: Progress): string =>
  [stage, source && collection ? `${source}.${collection}` : source].filter(Boolean).join(" ");

function countsOf({ pages, records, total }: Progress): string {
  const ofTotal = total === undefined ? "" : ` of ${total}`;
  return [pages !== undefined && `${pages} pages`, records !== undefined && `${records}${ofTotal} records`]
    .filter(Boolean)
    .join(", ");
}
