const SAMPLES = 256;
const MIN_SAMPLES = 20;
/** The percentile is computed anew after this many samples. */
const STRIDE = 16;

/** The latency of one route class over its last 256 answers. */
export class Latency {
  readonly #samplesMs: number[] = [];
  #next = 0;
  #sinceComputed = STRIDE;
  #p95Ms: number | undefined;

  record(ms: number): void {
    this.#samplesMs[this.#next] = ms;
    this.#next = (this.#next + 1) % SAMPLES;
    this.#sinceComputed++;
  }

  /** Milliseconds that 95 in 100 answers did not exceed; undefined before there are 20. */
  p95Ms(): number | undefined {
    if (this.#samplesMs.length < MIN_SAMPLES || this.#sinceComputed < STRIDE) return this.#p95Ms;
    this.#sinceComputed = 0;
    const sorted = this.#samplesMs.toSorted((a, b) => a - b);
    this.#p95Ms = sorted[Math.ceil(sorted.length * 0.95) - 1];
    return this.#p95Ms;
  }
}
