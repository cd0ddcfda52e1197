const NEWLINE = 10;
const RETURN = 13;

/** A line's bytes; those of a line that is too long are its beginning. */
export interface Line {
  readonly bytes: Uint8Array;
  readonly isTooLong: boolean;
}

/** Cuts bytes into lines wherever the pieces that they arrive in end; keeps no more of a line than is allowed. */
export class LineSplitter {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #kept = 0;
  #seen = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this piece. */
  *split(piece: Uint8Array): Generator<Line> {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, from)) {
      this.#keep(piece.subarray(from, end));
      yield this.rest();
      from = end + 1;
    }
    this.#keep(piece.subarray(from));
  }

  /** What came after the last line's end. */
  rest(): Line {
    const bytes = Buffer.concat(this.#pieces);
    const line = { bytes: bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes, isTooLong: this.#seen > this.#maxBytes };
    this.#pieces = [];
    this.#kept = this.#seen = 0;
    return line;
  }

  #keep(bytes: Uint8Array): void {
    this.#seen += bytes.length;
    const kept = bytes.subarray(0, this.#maxBytes - this.#kept);
    if (kept.length === 0) return;
    this.#pieces.push(kept);
    this.#kept += kept.length;
  }
}
